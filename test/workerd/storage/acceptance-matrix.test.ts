import { describe, expect, test } from 'vitest';
import { md5Hex } from '../../../src/keep/md5.ts';
import { keysOf } from '../../../src/storage/bucket-layout.ts';
import { createBucketVolume } from '../../../src/storage/bucket-volume.ts';
import { emptyTrash } from '../../../src/storage/empty-trash.ts';
import { storeUnder } from '../support/mounts.ts';
import { timedStore } from '../support/timed-store.ts';

/**
 * What keepstore's S3 driver does with every combination of a block's three objects, row by
 * row: ages before "now", TTL and lifetime 1 h, race window 5 min. Ours must give the same answers on R2.
 */
const MINUTE = 60;
const HOUR = 3600;
const OPTIONS = {
  prefixLength: 3,
  ttlSeconds: HOUR,
  lifetimeSeconds: HOUR,
  raceWindowSeconds: 5 * MINUTE,
  unsafeDelete: false,
};
const NOW = 1_800_000_000_000;

interface Row {
  data: string;
  recent: string;
  trash: string;
  readable: boolean;
  trashes: boolean;
  readableAfterTrash: boolean;
  untrashes: boolean;
  trashLeft: boolean;
  freshAfterEmptying?: boolean;
}

const ROWS: Row[] = `
-   | -   | -   | no  | no  | no  | no  | no  |
48h | -   | -   | yes | yes | yes | no  | no  |
24h | 2h  | -   | yes | yes | no  | no  | no  |
24h | 30m | -   | yes | yes | yes | no  | no  |
24h | 3m  | 2m  | yes | yes | yes | yes | yes |
24h | 12h | 59m | yes | no  | yes | yes | yes |
24h | 12h | 61m | yes | no  | yes | yes | no  |
24h | 12h | 12h | yes | no  | yes | yes | yes | yes
1s  | 1s  | 12h | yes | yes | yes | yes | no  |
24h | 24h | 12h | yes | no  | yes | yes | no  |
-   | 12h | 1m  | no  | no  | no  | yes | yes |
-   | 12h | 59m | no  | no  | no  | yes | yes |
-   | 12h | 2h  | no  | no  | no  | yes | no  |
-   | 30m | 29m | yes | no  | yes | yes | yes |
-   | 90m | 89m | yes | no  | yes | yes | yes |
-   | -   | 1m  | no  | no  | no  | yes | yes | yes`
  .trim()
  .split('\n')
  .map((line) => {
    const [data = '', recent = '', trash = '', ...answers] = line.split('|').map((cell) => cell.trim());
    const [readable, trashes, readableAfterTrash, untrashes, trashLeft, freshAfterEmptying] = answers.map(
      (cell) => cell === 'yes',
    );
    return {
      data,
      recent,
      trash,
      readable,
      trashes,
      readableAfterTrash,
      untrashes,
      trashLeft,
      freshAfterEmptying,
    } as Row;
  });

let serial = 0;

/** A block in the given state, in a fresh part of the bucket. */
async function given({ data, recent, trash }: Pick<Row, 'data' | 'recent' | 'trash'>, trashedBytes?: Uint8Array) {
  const clock = () => NOW;
  const content = new TextEncoder().encode(`block ${serial}`);
  const hash = md5Hex(content);
  const { store, setTime } = timedStore(storeUnder(`matrix${serial++}:`), clock);
  const keys = keysOf(hash, OPTIONS.prefixLength);
  const place = async (key: string, bytes: Uint8Array, age: string) => {
    if (age === '-') return;
    await store.put(key, bytes, { size: bytes.length });
    setTime(key, NOW - secondsOf(age) * 1000);
  };
  await place(keys.data, content, data);
  await place(keys.recent, new Uint8Array(0), recent);
  await place(keys.trash, trashedBytes ?? content, trash);
  const volume = createBucketVolume(store, { ...OPTIONS, clock });
  const read = async () => {
    const object = await volume.read(hash);
    return object === null ? null : md5Hex(new Uint8Array(await new Response(object.body).arrayBuffer()));
  };
  const empty = () =>
    emptyTrash(store, { ...OPTIONS, clock, concurrency: 2, isTimeUp: () => false, resumeAfter: null });
  return { hash, content, keys, store, volume, read, empty };
}

function secondsOf(age: string): number {
  const units: Record<string, number> = { s: 1, m: MINUTE, h: HOUR };
  return Number(age.slice(0, -1)) * (units[age.slice(-1)] ?? Number.NaN);
}

const succeeds = (work: Promise<unknown>) =>
  work.then(
    () => true,
    () => false,
  );

describe.each(ROWS)('data $data, recent $recent, trash $trash', (row) => {
  test(`is ${row.readable ? 'readable' : 'not found'}`, async () => {
    const { hash, read, volume } = await given(row);
    expect(await read()).toBe(row.readable ? hash : null);
    expect((await volume.head(hash)) !== null).toBe(row.readable);
  });

  test(`${row.trashes ? 'takes' : 'refuses'} a trash, and is ${row.readableAfterTrash ? 'readable' : 'not found'} then`, async () => {
    const { hash, volume, read } = await given(row);
    expect(await succeeds(volume.trash(hash))).toBe(row.trashes);
    expect(await read()).toBe(row.readableAfterTrash ? hash : null);
  });

  test(`${row.untrashes ? 'comes' : 'does not come'} back from trash`, async () => {
    const { hash, volume, read } = await given(row);
    expect(await succeeds(volume.untrash(hash))).toBe(row.untrashes);
    expect(await read()).toBe(row.data !== '-' || row.trash !== '-' ? hash : null);
  });

  test(`has ${row.trashLeft ? 'a' : 'no'} trashed copy after emptying`, async () => {
    const { hash, keys, store, volume, empty, read } = await given(row);
    await empty();
    expect((await store.head(keys.trash)) !== null).toBe(row.trashLeft);
    if (row.freshAfterEmptying) expect(await volume.mtime(hash)).toBe(NOW / 1000);
    if (row.data !== '-') expect(await read()).toBe(hash);
  });

  test('is readable and new after a write, and stays so through emptying', async () => {
    const { hash, content, volume, read, empty } = await given(row);
    // What was there before the write is compared by the caller and then touched.
    if ((await volume.write(hash, content, { size: content.length })) === 'exists') await volume.touch(hash);
    expect(await read()).toBe(hash);
    expect(await volume.mtime(hash)).toBe(NOW / 1000);
    await empty();
    expect(await read()).toBe(hash);
  });
});

describe('better than the original', () => {
  test.each([
    { data: '24h', recent: '12h', trash: '12h' },
    { data: '24h', recent: '90m', trash: '89m' },
    { data: '1s', recent: '1s', trash: '12h' },
  ])('a damaged copy in trash never gets over a good block ($data, $recent, $trash)', async (ages) => {
    const damaged = new TextEncoder().encode('damaged');
    const emptied = await given(ages, damaged);
    await emptied.empty();
    expect(await emptied.read()).toBe(emptied.hash);
    const untrashed = await given(ages, damaged);
    await untrashed.volume.untrash(untrashed.hash);
    expect(await untrashed.read()).toBe(untrashed.hash);
  });

  test('a damaged copy in trash is not brought back when nothing else is left', async () => {
    const { hash, volume, read, empty, store, keys } = await given(
      { data: '-', recent: '30m', trash: '29m' },
      new Uint8Array(3),
    );
    expect(await read()).toBeNull();
    await expect(volume.untrash(hash)).rejects.toMatchObject({ code: 'corrupt' });
    await empty();
    expect(await store.head(keys.data)).toBeNull();
  });

  test('the marker of a live block outlives its trashed copy', async () => {
    const { keys, store, empty } = await given({ data: '24h', recent: '24h', trash: '12h' });
    await empty();
    expect(await store.head(keys.trash)).toBeNull();
    expect(await store.head(keys.recent)).not.toBeNull();
  });
});
