import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_CACHE } from '../../../src/blocks/edge-cache.ts';
import { readBlock } from '../../../src/blocks/read-block.ts';
import { writeBlock } from '../../../src/blocks/write-block.ts';
import { md5Hex } from '../../../src/keep/md5.ts';
import { pullEntry } from '../../../src/queues/pull.ts';
import { trashEntry } from '../../../src/queues/trash.ts';
import { createBucketVolume } from '../../../src/storage/bucket-volume.ts';
import { emptyTrash } from '../../../src/storage/empty-trash.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { interleave } from '../support/interleave.ts';
import { storeUnder } from '../support/mounts.ts';
import { timedStore } from '../support/timed-store.ts';

/**
 * A model of one block's life on a real R2 bucket under a clock of its own: rounds of operations at the same time, their
 * single store requests in any order. Whatever happens, a block that was acknowledged (written, pulled, touched or
 * untrashed) can be read until the signature that was given out for it expires.
 */
const TTL = 3600;
/** Shorter than the TTL, so that what must still be readable may be due for deletion. */
const LIFETIME = 1800;
const RACE_WINDOW = 300;
const UUID = 'xtest-nyw5e-000000000000000';
const OPERATIONS = ['write', 'pull', 'touch', 'untrash', 'trash by list', 'delete', 'empty trash', 'read'] as const;
type Operation = (typeof OPERATIONS)[number];
const ACKNOWLEDGES: Operation[] = ['write', 'pull', 'touch', 'untrash'];

interface Round {
  /** Seconds that pass before it. */
  wait: number;
  operations: Operation[];
  /** Who goes next, and how long a request takes in seconds: slow ones together stay within the race window. */
  turns: { pick: number; seconds: number }[];
  /** Whether the block is read at the end: a read may repair what the emptier would find broken. */
  isRead: boolean;
}

const turns = fc.array(fc.record({ pick: fc.nat(3), seconds: fc.nat(5) }), { minLength: 40, maxLength: 40 });
const anything: fc.Arbitrary<Round> = fc.record({
  wait: fc.oneof(fc.nat(10), fc.integer({ min: TTL - RACE_WINDOW - 10, max: TTL + RACE_WINDOW + 10 }), fc.nat(3 * TTL)),
  operations: fc.array(fc.constantFrom(...OPERATIONS), { minLength: 1, maxLength: 4 }),
  turns,
  isRead: fc.boolean(),
});
/** An old block that one request trashes while another still uses it. */
const conflict: fc.Arbitrary<Round> = fc.record({
  wait: fc.integer({ min: TTL, max: TTL + 10 }),
  operations: fc
    .tuple(
      fc.constantFrom<Operation>('write', 'pull', 'touch'),
      fc.constantFrom<Operation>('trash by list', 'delete'),
      fc.array(fc.constantFrom(...OPERATIONS), { maxLength: 2 }),
    )
    .map(([wanted, trashed, others]) => [wanted, trashed, ...others]),
  turns,
  isRead: fc.boolean(),
});
/** What was trashed meanwhile is found by readers, and by the emptier when its lifetime is over. */
const aftermath: fc.Arbitrary<Round> = fc.record({
  wait: fc.oneof(fc.nat(10), fc.integer({ min: LIFETIME - 60, max: TTL - RACE_WINDOW })),
  operations: fc.array(fc.constantFrom<Operation>('empty trash', 'read', 'delete', 'untrash'), {
    minLength: 1,
    maxLength: 3,
  }),
  turns,
  isRead: fc.boolean(),
});
const NOTHING: Round = { wait: 0, operations: [], turns: [], isRead: true };
const written: Round = { wait: 0, operations: ['write'], turns: [{ pick: 0, seconds: 0 }], isRead: true };
/** A conflict left until the emptier runs, when the copy's lifetime is over and the signature TTL is not. */
const unnoticed = fc
  .tuple(conflict, aftermath, fc.integer({ min: LIFETIME + 60, max: TTL - 2 * RACE_WINDOW }))
  .map(([first, second, wait]): Round[] => [
    { ...first, operations: first.operations.slice(0, 2), isRead: false },
    { ...second, wait, operations: ['empty trash'], isRead: true },
  ]);
const lives = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: unnoticed },
      { weight: 5, arbitrary: fc.oneof(conflict, aftermath, anything).map((one) => [one]) },
    ),
    { maxLength: 5 },
  )
  .map((rounds) => [written, ...rounds.flat()]);
/** A failure is reported with what shrinking found until then. */
const LIMITS = { interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true };

let serial = 0;

async function play(rounds: Round[]): Promise<void> {
  let now = 1_800_000_000_000;
  const clock = () => now;
  const { store } = timedStore(storeUnder(`races${serial++}:`), clock);
  const content = new TextEncoder().encode(`block ${serial}`);
  const hash = md5Hex(content);
  const source = (over: ObjectStore) => ({
    mounts: [mountOver(over, clock)],
    cache: NO_CACHE,
    verifyReads: 'attested' as const,
  });
  /** What a list's maker saw last. */
  let listed = 0n;
  /** Unix seconds until which the block must be readable. */
  let promised = 0;

  for (const { wait, operations, turns, isRead } of [...rounds, NOTHING]) {
    now += wait * 1000;
    const started = Math.floor(now / 1000);
    const mustBeReadable = promised > started + turns.reduce((sum, turn) => sum + turn.seconds, 0);
    let turn = 0;
    const pick = (choices: number) => {
      const { pick: index, seconds } = turns[turn++ % turns.length] ?? { pick: 0, seconds: 0 };
      now += seconds * 1000;
      return index % choices;
    };
    const actors = operations.map(
      (operation) => (gated: ObjectStore) => act(operation, gated, { clock, hash, content, listed }),
    );
    const results = await interleave(store, actors, pick);
    for (const [i, operation] of operations.entries()) {
      const result = results[i];
      const isDone = result?.status === 'fulfilled' && result.value;
      if (ACKNOWLEDGES.includes(operation) && isDone) promised = Math.max(promised, started + TTL);
      if (operation === 'read' && mustBeReadable && !isDone) {
        throw new Error(
          `a reader was told there is no block: ${String(result?.status === 'rejected' ? result.reason : '')}`,
        );
      }
    }
    if (isRead && Math.floor(now / 1000) < promised) {
      const { body } = await readBlock(source(store), hash);
      expect(md5Hex(new Uint8Array(await new Response(body).arrayBuffer()))).toBe(hash);
    }
    listed = BigInt((await mountOver(store, clock).volume.mtime(hash)) ?? 0) * 1_000_000_000n;
  }
}

/** Resolves with whether the caller was told that it worked. */
async function act(
  operation: Operation,
  store: ObjectStore,
  { clock, hash, content, listed }: { clock: () => number; hash: string; content: Uint8Array; listed: bigint },
): Promise<boolean> {
  const mount = mountOver(store, clock);
  const { volume } = mount;
  const locator = `${hash}+${content.length}`;
  const body = () => new Response(content).body ?? new ReadableStream();
  switch (operation) {
    case 'write':
      await writeBlock([mount], { hash, size: content.length, body: body(), desired: 1, storageClasses: [] });
      return true;
    case 'pull': {
      const clientOf = () => ({
        transfer: <Result>(_: string, consume: (body: ReadableStream<Uint8Array>, size: number) => Promise<Result>) =>
          consume(body(), content.length),
      });
      const item = { locator, servers: ['http://127.0.0.1:1'], mountUuid: UUID };
      const { result } = await pullEntry(item, { mounts: [mount], signing: null, hosts: [], clientOf, clock });
      return result === 'done';
    }
    case 'touch':
      await volume.touch(hash);
      return true;
    case 'untrash':
      await volume.untrash(hash);
      return true;
    case 'trash by list':
      await trashEntry({ locator, blockMtime: listed, mountUuid: '' }, { mounts: [mount], ttlSeconds: TTL, clock });
      return true;
    case 'delete':
      await volume.trash(hash);
      return true;
    case 'empty trash':
      await emptyTrash(store, {
        prefixLength: 3,
        ttlSeconds: TTL,
        lifetimeSeconds: LIFETIME,
        raceWindowSeconds: RACE_WINDOW,
        clock,
        concurrency: 1,
        isTimeUp: () => false,
        resumeAfter: null,
      });
      return true;
    case 'read': {
      const { body: read } = await readBlock({ mounts: [mount], cache: NO_CACHE, verifyReads: 'attested' }, hash);
      return md5Hex(new Uint8Array(await new Response(read).arrayBuffer())) === hash;
    }
  }
}

function mountOver(store: ObjectStore, clock: () => number): Mount {
  return {
    uuid: UUID,
    deviceId: 'r2://races',
    allowWrite: true,
    allowTrash: true,
    replication: 1,
    storageClasses: { default: true },
    priority: 0,
    volume: createBucketVolume(store, {
      prefixLength: 3,
      ttlSeconds: TTL,
      lifetimeSeconds: LIFETIME,
      raceWindowSeconds: RACE_WINDOW,
      unsafeDelete: false,
      clock,
    }),
    store,
    prefixLength: 3,
    raceWindowSeconds: RACE_WINDOW,
  };
}

describe('a block acknowledged within the TTL', () => {
  test('is readable, whatever else is done to it one after the other', async () => {
    const calm = fc.array(
      anything.map((one) => ({ ...one, operations: one.operations.slice(0, 1) })),
      { maxLength: 12 },
    );
    await fc.assert(fc.asyncProperty(calm, play), { ...LIMITS, numRuns: 60 });
  }, 150_000);

  test('is readable, whatever else is done to it at the same time', async () => {
    await fc.assert(fc.asyncProperty(lives, play), { ...LIMITS, numRuns: 200 });
  }, 150_000);
});
