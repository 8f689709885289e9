import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import type { User } from '../../../src/accounts/account.ts';
import { type Collections, createCollections } from '../../../src/collections/collections.ts';
import { type BatchContext, commitBatch } from '../../../src/collections/edit/commit-batch.ts';
import type { Edit } from '../../../src/collections/edit/edits.ts';
import { effectiveEtag, readMetadata } from '../../../src/collections/edit/metadata-rows.ts';
import { commitPacking, packSmallBlocks, type RepackContext } from '../../../src/collections/edit/repack.ts';
import { fileEtag } from '../../../src/collections/file-etag.ts';
import {
  blockHash,
  type FileTree,
  fileSegments,
  filesBelow,
  findNode,
  nodePath,
  nodeSize,
  ROOT_NODE,
} from '../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../src/collections/file-tree-builder.ts';
import { effectiveObjectEtag, objectEtag } from '../../../src/collections/object-etag.ts';
import { md5Hex } from '../../../src/keep/md5.ts';
import { database, NO_VERSIONS } from '../support/database.ts';

/** Packing of small blocks while writers go on. Blocks are kept by a map; D1 and the bucket of texts are the real ones. */

const ROOT: User = {
  uuid: 'xedge-tpzed-000000000000000',
  isAdmin: true,
  isActive: true,
  username: 'root',
  fullName: 'Root',
};
const WRITER = { user: ROOT, tokenUuid: null, token: '' };
const blocks = new Map<string, Uint8Array>();
let db: D1Database;
let collections: Collections;
let context: RepackContext & BatchContext;

function stored(bytes: Uint8Array): string {
  const locator = `${md5Hex(bytes)}+${bytes.byteLength}`;
  blocks.set(locator, bytes);
  return locator;
}

beforeEach(async () => {
  db = await database();
  const { MANIFESTS: manifests } = env as unknown as { MANIFESTS: R2Bucket };
  const common = { db, manifests, now: Date.now, versions: NO_VERSIONS };
  collections = createCollections({
    ...common,
    clusterId: 'xedge',
    defaultStorageClasses: ['default'],
    trashLifetimeSeconds: 1000,
  });
  context = {
    ...common,
    idleSeconds: 0,
    locks: () => [],
    columnsOf: (before, attributes, user) => collections.attributeColumns(before, attributes, user),
    openBlock: async (hash, size) => new Response(blocks.get(`${hash}+${size}`)).body ?? new ReadableStream(),
    storeBody: async (body) => {
      const bytes = new Uint8Array(await new Response(body).arrayBuffer());
      return [{ locator: stored(bytes), size: bytes.byteLength }];
    },
  };
});

const put = (path: string, text: string): Edit => {
  const bytes = new TextEncoder().encode(text);
  return { kind: 'put', path, ranges: [{ locator: stored(bytes), offset: 0, length: bytes.byteLength }] };
};
const edit = (uuid: string, ...edits: Edit[]) =>
  commitBatch(uuid, [{ writer: WRITER, edits, conditions: [], lockTokens: [] }], context);

interface Seen {
  content: string;
  etag: string;
  objectEtag: string;
}

/** What readers see: bytes and both ETags of every file. */
async function seen(uuid: string): Promise<{ files: Record<string, Seen>; blocks: number }> {
  const found = await collections.find(uuid, ROOT, { withText: true });
  const { text } = await collections.read(found, ROOT);
  const { tree } = await buildFileTree(text, () => true);
  const paths = [...filesBelow(tree, ROOT_NODE)].map((node) => nodePath(tree, node));
  const metadata = await readMetadata(db, uuid, paths);
  const files: Record<string, Seen> = {};
  for (const path of paths) {
    const node = findNode(tree, path) ?? 0;
    const derived = await fileEtag(tree, node);
    files[path] = {
      content: contentOf(tree, node),
      etag: effectiveEtag(derived, metadata.get(path)),
      objectEtag: effectiveObjectEtag(await objectEtag(tree, node), derived, metadata.get(path)),
    };
  }
  return { files, blocks: tree.blockCount };
}

function contentOf(tree: FileTree, node: number): string {
  const parts = [...fileSegments(tree, node, { offset: 0, length: nodeSize(tree, node) })].map(
    ({ block, offset, length }) => {
      const size = (tree.blockStarts[block + 1] ?? 0) - (tree.blockStarts[block] ?? 0);
      return (blocks.get(`${blockHash(tree, block)}+${size}`) ?? new Uint8Array()).subarray(offset, offset + length);
    },
  );
  return parts.map((part) => new TextDecoder().decode(part)).join('');
}

const created = async () => String((await collections.create({ attributes: {}, manifest: null }, ROOT)).record.uuid);

test('many small files end up in one block with the same content, times and ETags, and the hash before still opens them', async () => {
  const uuid = await created();
  for (let i = 0; i < 40; i++) await edit(uuid, put(`d/file-${i}`, `content of file number ${i} ${'x'.repeat(200)}`));
  const before = await seen(uuid);
  const { record } = await collections.find(uuid, ROOT);
  const packing = await packSmallBlocks(uuid, context);
  expect(packing?.offsets.size).toBe(40);
  expect(packing !== null && (await commitPacking(uuid, packing, context))).toBe(true);
  const after = await seen(uuid);
  expect(after.files).toEqual(before.files);
  expect([before.blocks, after.blocks]).toEqual([40, 1]);
  const packed = await collections.find(uuid, ROOT);
  expect(packed.record.modified_at).toBe(record.modified_at);
  const past = await collections.find(String(record.portable_data_hash), ROOT, { withText: true });
  expect([past.isPast, past.record.portable_data_hash]).toEqual([true, record.portable_data_hash]);
  // Copies and moves take their ETags along; what is written anew has its own.
  await edit(uuid, { kind: 'move', from: 'd/file-1', to: 'moved' }, { kind: 'copy', from: 'd/file-2', to: 'copied' });
  await edit(uuid, put('d/file-3', 'new content'));
  const { files } = await seen(uuid);
  expect([files.moved, files.copied]).toEqual([before.files['d/file-1'], before.files['d/file-2']]);
  expect(files['d/file-3']?.etag).not.toBe(before.files['d/file-3']?.etag);
  // Packed already: there is nothing more to do.
  expect(await packSmallBlocks(uuid, context)).toBeNull();
});

test('a collection with preserve_version, in the trash, or changed a moment ago is left alone', async () => {
  const uuid = await created();
  for (let i = 0; i < 40; i++) await edit(uuid, put(`file-${i}`, `${i} ${'y'.repeat(100)}`));
  expect(await packSmallBlocks(uuid, { ...context, idleSeconds: 3600 })).toBeNull();
  const packing = await packSmallBlocks(uuid, context);
  await collections.update(uuid, { attributes: { preserve_version: true }, manifest: null }, WRITER);
  expect(await packSmallBlocks(uuid, context)).toBeNull();
  expect(packing !== null && (await commitPacking(uuid, packing, context))).toBe(false);
});

type Step =
  | { kind: 'put' | 'delete' | 'move' | 'copy'; file: number; to: number }
  | { kind: 'pack' }
  | { kind: 'commit' };

test('whatever writers do between a packing and its commit, every file has the content and the ETags it was given', {
  timeout: 120_000,
}, async () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      kind: fc.constantFrom('put' as const, 'put' as const, 'delete' as const, 'move' as const, 'copy' as const),
      file: fc.nat(11),
      to: fc.nat(11),
    }),
    fc.record({ kind: fc.constant('pack' as const) }),
    fc.record({ kind: fc.constant('commit' as const) }),
  );
  let serial = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
      const uuid = await created();
      let model: Record<string, Seen> = {};
      const name = (file: number) => `f${file}`;
      await edit(
        uuid,
        ...Array.from({ length: 12 }, (_, i) => put(name(i), `start ${serial++} ${'z'.repeat(90 + i)}`)),
      );
      model = (await seen(uuid)).files;
      let packing: Awaited<ReturnType<typeof packSmallBlocks>> = null;
      for (const next of steps) {
        if (next.kind === 'pack') packing = await packSmallBlocks(uuid, context);
        else if (next.kind === 'commit') {
          if (packing !== null) await commitPacking(uuid, packing, context);
        } else {
          const [from, to] = [name(next.file), name(next.to)];
          if (next.kind === 'put') {
            await edit(uuid, put(from, `put ${serial++} ${'w'.repeat(100)}`));
            model = { ...model, [from]: (await seen(uuid)).files[from] as Seen };
          } else if (next.kind === 'delete') {
            await edit(uuid, { kind: 'delete', path: from });
            const { [from]: _, ...rest } = model;
            model = rest;
          } else if (model[from] !== undefined && from !== to) {
            await edit(uuid, { kind: next.kind, from, to });
            const moved = { ...model, [to]: model[from] as Seen };
            const { [from]: _, ...rest } = moved;
            model = next.kind === 'move' ? rest : moved;
          }
        }
        expect((await seen(uuid)).files).toEqual(model);
      }
    }),
    { numRuns: 40 },
  );
});
