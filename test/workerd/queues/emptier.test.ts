import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import type { PullQueue } from '../../../src/app/queue-objects.ts';
import { md5Hex } from '../../../src/keep/md5.ts';
import { type EmptierContext, emptySlice } from '../../../src/queues/emptier.ts';
import { keysOf } from '../../../src/storage/bucket-layout.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import { faultyStore, HOUR_SECONDS, storeUnder, testMount } from '../support/mounts.ts';
import { timedStore } from '../support/timed-store.ts';

/** Slices of emptying over real R2, with what is remembered between them in a real Durable Object. */

const { PULL_QUEUE } = env as unknown as { PULL_QUEUE: DurableObjectNamespace<PullQueue> };
const NOW = 1_800_000_000_000;
const DAY_MS = 86_400_000;
const EMPTY = new Uint8Array(0);

let serial = 0;

/** A volume with so many blocks that have been in trash for a day. */
async function givenMount(blocks: number) {
  const { store: timed, setTime } = timedStore(storeUnder(`emptier${serial++}:`), () => NOW);
  const { store, faults, calls } = faultyStore(timed);
  for (let i = 0; i < blocks; i++) {
    const { recent, trash } = keysOf(md5Hex(`${serial} ${i}`), 3);
    for (const [key, age] of [
      [recent, 2 * DAY_MS],
      [trash, DAY_MS],
    ] as const) {
      await timed.put(key, EMPTY, { size: 0 });
      setTime(key, NOW - age);
    }
  }
  const mount: Mount = { ...testMount().mount, store };
  return { mount, store: timed, faults, calls, setTime };
}

function emptier(mounts: Mount[]) {
  const stub = PULL_QUEUE.getByName(`emptier${serial++}`);
  const lines: Record<string, unknown>[] = [];
  let now = NOW;
  const context: EmptierContext = {
    mounts,
    isEnabled: true,
    intervalSeconds: HOUR_SECONDS,
    ttlSeconds: HOUR_SECONDS,
    lifetimeSeconds: HOUR_SECONDS,
    concurrency: 4,
    clock: () => now,
    log: (line) => void lines.push(line),
  };
  return {
    lines,
    wait: (ms: number) => {
      now += ms;
    },
    /** Slices until there is no more to do now; returns how many. */
    run: () =>
      runInDurableObject(stub, async (_: PullQueue, state) => {
        let slices = 1;
        while (await emptySlice(state.storage, context)) slices++;
        return slices;
      }),
  };
}

test('more trash than one invocation may judge is emptied in slices, and told in one line', async () => {
  const { mount, store } = await givenMount(300);
  const { run, lines } = emptier([mount]);
  expect(await run()).toBeGreaterThan(1);
  expect(lines).toMatchObject([{ level: 'info', mount: mount.uuid, deletedBlocks: 300, remainingBlocks: 0 }]);
  expect((await store.list({ prefix: '' })).objects).toEqual([]);
}, 60_000);

test('copies and markers are deleted by lists, and what is to stay costs no request of its own', async () => {
  const { mount, store, calls, setTime } = await givenMount(120);
  const stays = (await store.list({ prefix: 'trash/' })).objects.slice(0, 40).map(({ key }) => key);
  for (const key of stays) setTime(key, NOW - 60_000);
  await emptier([mount]).run();
  const count = (operation: string) => calls.filter((call) => call.startsWith(`${operation} `)).length;
  expect([count('delete'), count('head')]).toEqual([2, 3 * 80]);
  expect((await store.list({ prefix: 'trash/' })).objects.map(({ key }) => key)).toEqual(stays);
  expect((await store.list({ prefix: 'recent/' })).objects).toHaveLength(40);
}, 60_000);

test('a list of copies that cannot be deleted is told, and goes in the next run', async () => {
  const { mount, faults, store } = await givenMount(5);
  faults.push({ operation: 'delete', when: 'before', times: 1 });
  const { run, lines, wait } = emptier([mount]);
  await run();
  expect(lines).toMatchObject([
    { level: 'warn', deletedBlocks: 0, remainingBlocks: 5, problems: [expect.stringContaining('injected')] },
  ]);
  wait(HOUR_SECONDS * 1000);
  await run();
  expect(lines.slice(1)).toMatchObject([{ deletedBlocks: 5, remainingBlocks: 0 }]);
  expect((await store.list({ prefix: '' })).objects).toEqual([]);
}, 60_000);

test('a volume that fails does not keep the others waiting, and has its turn again after the interval', async () => {
  const broken = await givenMount(2);
  const sound = await givenMount(3);
  broken.faults.push({ operation: 'list', when: 'before', times: 1 });
  const { run, lines, wait } = emptier([broken.mount, sound.mount]);
  await run();
  expect(lines).toMatchObject([
    { level: 'error', mount: broken.mount.uuid },
    { mount: sound.mount.uuid, deletedBlocks: 3 },
  ]);
  await run();
  expect(lines).toHaveLength(2);
  wait(HOUR_SECONDS * 1000);
  await run();
  expect(lines.slice(2)).toMatchObject([{ mount: broken.mount.uuid, deletedBlocks: 2 }, { deletedBlocks: 0 }]);
});

test('blocks that were sent without a name and forgotten by a crash go after a day', async () => {
  const { mount, store, setTime } = await givenMount(0);
  for (const [key, age] of [
    ['unnamed/old', DAY_MS],
    ['unnamed/young', DAY_MS - 1],
  ] as const) {
    await store.put(key, EMPTY, { size: 0 });
    setTime(key, NOW - age);
  }
  await emptier([mount]).run();
  expect((await store.list({ prefix: 'unnamed/' })).objects.map(({ key }) => key)).toEqual(['unnamed/young']);
});
