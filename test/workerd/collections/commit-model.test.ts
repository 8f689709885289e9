import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { User } from '../../../src/accounts/account.ts';
import { createCollections } from '../../../src/collections/collections.ts';
import { type BatchContext, commitBatch, type EditOutcome } from '../../../src/collections/edit/commit-batch.ts';
import type { Condition, Edit, EditRequest } from '../../../src/collections/edit/edits.ts';
import { filesBelow, nodePath, nodeSize, ROOT_NODE } from '../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../src/collections/file-tree-builder.ts';
import { database, NO_VERSIONS } from '../support/database.ts';

/**
 * The commit of a collection's object against a model: batches of edits with conditions, on a database that fails before
 * or after it has done what it was asked. Files are told apart by their sizes.
 */

const ROOT: User = {
  uuid: 'xedge-tpzed-000000000000000',
  isAdmin: true,
  isActive: true,
  username: 'root',
  fullName: 'Root',
};
const WRITER = { user: ROOT, tokenUuid: null, token: '' };
const FAILURE = { code: 'precondition_failed', message: 'condition' } as const;
type Files = Record<string, number>;
type Failure = 'none' | 'before' | 'after';

interface Asked {
  kind: 'put' | 'delete' | 'move' | 'copy';
  from: string;
  to: string;
  condition: 'none' | 'absent' | 'file';
}

const name = fc.constantFrom('a', 'b', 'c', 'd');
const asked: fc.Arbitrary<Asked> = fc.record({
  kind: fc.constantFrom('put' as const, 'put' as const, 'delete' as const, 'move' as const, 'copy' as const),
  from: name,
  to: name,
  condition: fc.constantFrom('none' as const, 'none' as const, 'absent' as const, 'file' as const),
});
const batch = fc.record({
  requests: fc.array(asked, { minLength: 1, maxLength: 6 }),
  failure: fc.constantFrom<Failure>('none', 'none', 'before', 'after'),
  // Each revision is a batch that looks, and one that writes.
  spared: fc.nat({ max: 3 }),
});

let size = 0;
function requestOf({ kind, from, to, condition }: Asked): { request: EditRequest; size: number } {
  size = (size % 60_000) + 1;
  const edit: Edit =
    kind === 'put'
      ? { kind, path: from, ranges: [{ locator: `${'0'.repeat(32)}+67108864`, offset: 0, length: size }] }
      : kind === 'delete'
        ? { kind, path: from }
        : { kind, from, to };
  const target = kind === 'move' || kind === 'copy' ? to : from;
  const conditions: Condition[] = condition === 'none' ? [] : [{ path: target, is: [condition], otherwise: FAILURE }];
  return { request: { writer: WRITER, edits: [edit], conditions, lockTokens: [] }, size };
}

/** What one request does to the files; null when it is refused. */
function applied(files: Files, { kind, from, to, condition }: Asked, bytes: number): Files | null {
  const target = kind === 'move' || kind === 'copy' ? to : from;
  const isThere = files[target] !== undefined;
  if ((condition === 'absent' && isThere) || (condition === 'file' && !isThere)) return null;
  const { [from]: source, ...rest } = files;
  if (kind === 'put') return { ...files, [from]: bytes };
  if (kind === 'delete') return rest;
  if (source === undefined) return null;
  if (from === to) return kind === 'move' ? null : files;
  return kind === 'move' ? { ...rest, [to]: source } : { ...files, [to]: source };
}

/** A database of which a batch fails, before it is done or after. @param next.spared batches that come before it */
function failing(db: D1Database, next: { failure: Failure; spared: number }): D1Database {
  return new Proxy(db, {
    get(target, property) {
      if (property !== 'batch') return Reflect.get(target, property).bind(target);
      return async (statements: D1PreparedStatement[]) => {
        if (next.spared-- > 0) return target.batch(statements);
        const { failure } = next;
        next.failure = 'none';
        if (failure === 'before') throw new Error('the network failed before');
        const results = await target.batch(statements);
        if (failure === 'after') throw new Error('the network failed after');
        return results;
      };
    },
  });
}

test('batches do what their requests do one after another; a failure leaves the state before it or the one after', {
  timeout: 120_000,
}, async () => {
  const plain = await database();
  const { MANIFESTS: manifests } = env as unknown as { MANIFESTS: R2Bucket };
  const setup = {
    db: plain,
    manifests,
    now: Date.now,
    versions: NO_VERSIONS,
    clusterId: 'xedge',
    defaultStorageClasses: ['default'],
    trashLifetimeSeconds: 1000,
  };
  const collections = createCollections(setup);
  const filesOf = async (uuid: string): Promise<{ files: Files; revision: number }> => {
    const found = await collections.find(uuid, ROOT, { withText: true });
    const { tree } = await buildFileTree((await collections.read(found, ROOT)).text, () => true);
    const files = [...filesBelow(tree, ROOT_NODE)].map((node) => [nodePath(tree, node), nodeSize(tree, node)] as const);
    return { files: Object.fromEntries(files), revision: found.revision };
  };
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 8 }), async (batches) => {
      const { record } = await collections.create({ attributes: {}, manifest: null }, ROOT);
      const uuid = String(record.uuid);
      let model: Files = {};
      let revision = 1;
      for (const { requests, failure, spared } of batches) {
        const next = { failure, spared };
        const context: BatchContext = {
          ...setup,
          db: failing(plain, next),
          locks: () => [],
          columnsOf: (before, attributes, user) => collections.attributeColumns(before, attributes, user),
        };
        const prepared = requests.map(requestOf);
        const outcomes: EditOutcome[] | null = await commitBatch(
          uuid,
          prepared.map(({ request }) => request),
          context,
        ).catch(() => null);
        const states = [model];
        const expected = requests.map((one, i) => {
          const after = applied(states.at(-1) ?? {}, one, prepared[i]?.size ?? 0);
          states.push(after ?? states.at(-1) ?? {});
          return after !== null;
        });
        const now = await filesOf(uuid);
        expect(now.revision).toBeGreaterThanOrEqual(revision);
        if (outcomes === null) {
          // No one was told anything: any of the states on the way may be there.
          expect(states).toContainEqual(now.files);
          model = now.files;
        } else {
          expect(outcomes.map(({ ok }) => ok)).toEqual(expected);
          model = states.at(-1) ?? {};
          expect(now.files).toEqual(model);
        }
        revision = now.revision;
      }
    }),
    { numRuns: 60 },
  );
});
