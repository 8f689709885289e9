import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { collectSlice, type NamedSource, type NamedText } from '../../../src/balance/collect.ts';
import { joinSlice } from '../../../src/balance/join.ts';
import { createRunRows } from '../../../src/balance/run-rows.ts';
import type { Run, RunRows } from '../../../src/balance/runs.ts';
import { loadTallies } from '../../../src/balance/tallies.ts';
import { md5Hex } from '../../../src/keep/md5.ts';
import { trashEntry } from '../../../src/queues/trash.ts';
import { createBucketVolume } from '../../../src/storage/bucket-volume.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import { storeUnder } from '../support/mounts.ts';
import { timedStore } from '../support/timed-store.ts';

/**
 * Lives of a few blocks on real R2 under a clock of their own: uploads, saves with signatures that are still good, copies
 * between collections, deletions, and runs of the balancer whose slices fall anywhere between them, are torn and done again.
 * No block that a collection names, that a backup can restore, or that a live signature promises is ever trashed.
 */
const { BALANCER } = env as unknown as { BALANCER: DurableObjectNamespace };
const TTL = 3600;
const LIFETIME = 4 * TTL;
const BLOCKS = Array.from({ length: 4 }, (_, i) => {
  const data = new TextEncoder().encode(`block ${i}`);
  return { data, hash: md5Hex(data), locator: `${md5Hex(data)}+${data.byteLength}` };
});
const COLLECTIONS = 3;

type Step =
  | { kind: 'wait'; seconds: number }
  | { kind: 'upload'; block: number }
  | { kind: 'save'; collection: number; blocks: number[] }
  | { kind: 'read'; collection: number }
  | { kind: 'copy'; from: number; to: number }
  | { kind: 'delete'; collection: number }
  | { kind: 'slice'; isTorn: boolean }
  | { kind: 'work off the list' };

const collection = fc.nat(COLLECTIONS - 1);
const block = fc.nat(BLOCKS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      seconds: fc.constantFrom(10, TTL / 2, TTL - 1, TTL + 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('upload' as const), block }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('save' as const), collection, blocks: fc.array(block, { maxLength: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('read' as const), collection }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('copy' as const), from: collection, to: collection }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), collection }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('slice' as const), isTorn: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('work off the list' as const) }) },
);

interface Revision {
  uuid: string;
  blocks: number[];
  /** Seconds until which it can be restored; null: it is current. */
  until: number | null;
}

test('no block that can still be read, restored or saved is ever trashed', { timeout: 240_000 }, async () => {
  let serial = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const stub = BALANCER.getByName(`safety ${serial++}`);
      await runInDurableObject(stub, async (_, state) => {
        const life = createLife(createRunRows(state.storage), `safety${serial}:`);
        for (const next of steps) {
          await life.act(next);
          expect(await life.broken()).toEqual([]);
        }
      });
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

function createLife(rows: RunRows, prefix: string) {
  let now = 1_800_000_000;
  const clock = () => now * 1000;
  const { store } = timedStore(storeUnder(prefix), clock);
  const files = storeUnder(`${prefix}files:`);
  const times = { ttlSeconds: TTL, lifetimeSeconds: LIFETIME, raceWindowSeconds: 10 };
  const volume = createBucketVolume(store, { ...times, prefixLength: 3, unsafeDelete: false, clock });
  const mount: Mount = {
    uuid: 'xtest-nyw5e-000000000000001',
    deviceId: prefix,
    allowWrite: true,
    allowTrash: true,
    replication: 1,
    storageClasses: { default: true },
    priority: 0,
    volume,
    store,
    prefixLength: 3,
    raceWindowSeconds: 10,
  };
  let revisions: Revision[] = [];
  /** Until when each block's newest signature lives. */
  const signed = new Map<number, number>();
  let run: Run | null = null;
  let list: string[] = [];

  const sign = (one: number) => void signed.set(one, now + TTL);
  const current = (index: number) => revisions.find(({ uuid, until }) => uuid === `c${index}` && until === null);
  const replace = (index: number, blocks: number[]) => {
    const old = current(index);
    // A superseded revision is backed up for one TTL, as the service does it.
    if (old !== undefined) old.until = now + TTL;
    revisions.push({ uuid: `c${index}`, blocks, until: null });
  };
  const source: NamedSource = {
    name: 'model',
    async page(cursor) {
      const from = Number(cursor || '0');
      const revision = revisions[from];
      const text = (one: Revision): NamedText => ({
        uuid: one.uuid,
        project: 'p',
        owner: 'o',
        copies: 1,
        classes: ['default'],
        bytes: null,
        open: async () => one.blocks.map((b) => new TextEncoder().encode(`. ${BLOCKS[b]!.locator} 0:7:f${b}\n`)),
      });
      return {
        texts: revision === undefined ? [] : [text(revision)],
        cursor: from + 1 < revisions.length ? String(from + 1) : null,
      };
    },
  };

  async function slice(isTorn: boolean): Promise<void> {
    if (run === null) {
      revisions = revisions.filter(({ until }) => until === null || until > now);
      run = rows.start(false, clock());
      return;
    }
    if (run.phase === 'collect') {
      // One page a slice, so that writers come in between.
      let looks = 0;
      const context = { rows, store: files, sources: [source], until: 2, clock: () => ++looks, capacity: 8 };
      const next = await collectSlice(run, context);
      run = isTorn && next.phase === 'collect' ? rows.current() : next;
      return;
    }
    if (run.phase === 'compact') {
      run = { ...run, phase: 'join' };
      rows.save(run);
      return;
    }
    const id = run.id;
    const earlier = rows.lastDone();
    const join = async (from: Run) =>
      joinSlice(from, {
        rows,
        store: files,
        mounts: [mount],
        tallies: await loadTallies(rows, files, id, null),
        earlierUnnamed: earlier === null ? [] : rows.files(earlier.id, 'unnamed'),
        ttlSeconds: TTL,
        trashLimit: 1000,
        pullLimit: 1000,
        until: Number.POSITIVE_INFINITY,
        clock,
      });
    const next = await join(run);
    list = [];
    for (const { key } of rows.files(id, 'trash')) {
      const found = await files.get(key);
      if (found !== null) list.push(...(await new Response(found.body).text()).split(',\n'));
    }
    rows.save({ ...next, phase: 'done', finishedAt: clock() });
    run = null;
  }

  return {
    async act(next: Step): Promise<void> {
      now += 1;
      if (next.kind === 'wait') now += next.seconds;
      else if (next.kind === 'upload') {
        const { hash, data } = BLOCKS[next.block]!;
        // As writes of blocks do: what is there already is touched.
        if ((await volume.head(hash)) === null) await volume.write(hash, data, { size: data.byteLength });
        else await volume.touch(hash);
        sign(next.block);
      } else if (next.kind === 'save') {
        // Signatures are checked, and nothing is touched.
        if (next.blocks.every((one) => (signed.get(one) ?? 0) > now)) replace(next.collection, next.blocks);
      } else if (next.kind === 'read') for (const one of current(next.collection)?.blocks ?? []) sign(one);
      else if (next.kind === 'copy') {
        const [from, to] = [current(next.from), current(next.to)];
        if (from !== undefined) replace(next.to, [...new Set([...from.blocks, ...(to?.blocks ?? [])])]);
      } else if (next.kind === 'delete') {
        const old = current(next.collection);
        if (old !== undefined) old.until = now + TTL;
      } else if (next.kind === 'slice') await slice(next.isTorn);
      else {
        for (const item of list) {
          const { locator, block_mtime, mount_uuid } = JSON.parse(
            item.replace(/"block_mtime":(\d+)/, '"block_mtime":"$1"'),
          );
          await trashEntry(
            { locator, blockMtime: BigInt(block_mtime), mountUuid: mount_uuid },
            { mounts: [mount], ttlSeconds: TTL, clock },
          );
        }
        list = [];
      }
    },

    /** Blocks that must be there and are not. */
    async broken(): Promise<string[]> {
      const needed = new Set<number>();
      for (const { blocks, until } of revisions)
        if (until === null || until > now) for (const one of blocks) needed.add(one);
      for (const [one, until] of signed) if (until > now) needed.add(one);
      const missing: string[] = [];
      for (const one of needed) if ((await volume.head(BLOCKS[one]!.hash)) === null) missing.push(BLOCKS[one]!.hash);
      return missing;
    },
  };
}
