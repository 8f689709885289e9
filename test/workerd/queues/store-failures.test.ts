import { describe, expect, test } from 'vitest';
import { md5Hex } from '../../../src/keep/md5.ts';
import { pullEntry } from '../../../src/queues/pull.ts';
import { trashEntry } from '../../../src/queues/trash.ts';
import { createBucketVolume } from '../../../src/storage/bucket-volume.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { faultyStore, HOUR_SECONDS, storeUnder, testMount } from '../support/mounts.ts';
import { timedStore } from '../support/timed-store.ts';

/** A store that fails one request, or does as asked and loses its answer: running the entry again mends everything. */

const LATER_MS = 3 * HOUR_SECONDS * 1000;
const OPERATIONS: (keyof ObjectStore)[] = ['head', 'get', 'put', 'copy', 'delete'];
const CASES = OPERATIONS.flatMap((operation) =>
  (['before', 'after'] as const).flatMap((when) => [0, 1, 2].map((skip) => ({ operation, when, skip }))),
);

let serial = 0;

function givenBlock() {
  const content = new TextEncoder().encode(`failing ${serial++}`);
  const hash = md5Hex(content);
  return { content, hash, locator: `${hash}+${content.length}` };
}

/** A mount whose store keeps the test's time and can be told to fail. */
function givenMount(clock: () => number) {
  const { store: timed } = timedStore(storeUnder(`failures${serial++}:`), clock);
  const { store, faults } = faultyStore(timed);
  const times = { ttlSeconds: HOUR_SECONDS, lifetimeSeconds: HOUR_SECONDS, raceWindowSeconds: 300 };
  const volume = createBucketVolume(store, { ...times, prefixLength: 3, unsafeDelete: false, clock });
  const mount: Mount = { ...testMount().mount, store, volume };
  return { mount, faults };
}

/** Fails the request of the kind that comes after `skip` others of it. */
function arm({ faults, mount }: ReturnType<typeof givenMount>, { operation, when, skip }: (typeof CASES)[number]) {
  let passed = 0;
  const key = { test: () => passed++ >= skip } as unknown as RegExp;
  faults.push({ operation, when, times: 1, key });
  return mount;
}

const readable = async ({ mount }: ReturnType<typeof givenMount>, hash: string) => {
  const object = await mount.volume.read(hash);
  return object !== null && md5Hex(new Uint8Array(await new Response(object.body).arrayBuffer())) === hash;
};

describe.each(CASES)('when the store fails $when $operation number $skip', (fault) => {
  test('a trash entry that is run again leaves the block in trash, and never without a copy', async () => {
    let now = Date.now();
    const target = givenMount(() => now);
    const { content, hash, locator } = givenBlock();
    await target.mount.volume.write(hash, content, { size: content.length });
    const blockMtime = BigInt((await target.mount.volume.mtime(hash)) ?? 0) * 1_000_000_000n;
    now += LATER_MS;
    const context = { mounts: [arm(target, fault)], ttlSeconds: HOUR_SECONDS, clock: () => now };
    const run = () => trashEntry({ locator, blockMtime, mountUuid: target.mount.uuid }, context);
    const first = await run();
    expect(['done', 'failed']).toContain(first.result);
    target.faults.length = 0;
    const second = await run();
    expect([second.result, second.reason].join(' ')).toMatch(/^(done trashed|skipped absent)$/);
    expect(await readable(target, hash)).toBe(false);
    await target.mount.volume.untrash(hash);
    expect(await readable(target, hash)).toBe(true);
  });

  test('a pull entry that is run again leaves a good block', async () => {
    const target = givenMount(Date.now);
    const { content, hash, locator } = givenBlock();
    const clientOf = () => ({
      transfer: <Result>(_: string, consume: (body: ReadableStream<Uint8Array>, size: number) => Promise<Result>) =>
        consume(new Response(content).body ?? new ReadableStream(), content.length),
    });
    const context = { mounts: [arm(target, fault)], signing: null, hosts: [], clientOf, clock: Date.now };
    const run = () =>
      pullEntry({ locator, servers: ['http://keep.example.org'], mountUuid: target.mount.uuid }, context);
    await run().catch(() => undefined);
    target.faults.length = 0;
    expect((await run()).result).toBe('done');
    expect(await readable(target, hash)).toBe(true);
  });
});
