import { expect, test } from 'vitest';
import { md5Hex } from '../../../src/keep/md5.ts';
import { indexBlocks } from '../../../src/storage/bucket-index.ts';
import { keysOf } from '../../../src/storage/bucket-layout.ts';
import type { ListOptions, ListPage, ObjectInfo, ObjectStore } from '../../../src/storage/object-store.ts';

const SECOND = 1000;

/** A bucket that only lists: `blocks` hashes, every tenth without a marker, and objects that are no blocks. */
function listedStore(blocks: number, prefixLength: number, pageSize = 1000) {
  const hashes = Array.from({ length: blocks }, (_, i) => md5Hex(`block ${i}`)).sort();
  const objects: ObjectInfo[] = [{ key: 'a note', size: 1, md5: null, modified: 0 }];
  const expected = hashes.map((hash, i) => {
    const { data, recent, trash } = keysOf(hash, prefixLength);
    objects.push({ key: data, size: i, md5: hash, modified: i * SECOND });
    if (i % 10 > 0) objects.push({ key: recent, size: 0, md5: null, modified: (i + 7) * SECOND });
    if (i % 100 === 1) objects.push({ key: trash, size: i, md5: null, modified: 0 });
    return { hash, size: i, mtime: i % 10 > 0 ? i + 7 : i };
  });
  objects.sort((a, b) => (a.key < b.key ? -1 : 1));
  let [now, most, lists] = [0, 0, 0];
  const list = async ({ prefix, cursor, startAfter = '', limit = pageSize }: ListOptions): Promise<ListPage> => {
    lists++;
    most = Math.max(most, ++now);
    await scheduler.wait(1);
    now--;
    const after = cursor ?? startAfter;
    const found = objects.filter(({ key }) => key.startsWith(prefix) && key > after);
    const page = found.slice(0, Math.min(limit, pageSize));
    return { objects: page, next: found.length > page.length ? (page.at(-1)?.key ?? null) : null };
  };
  return { store: { list } as unknown as ObjectStore, expected, stats: () => ({ most, lists }) };
}

async function read(pages: AsyncGenerator<unknown[]>) {
  const all: unknown[] = [];
  for await (const page of pages) all.push(...page);
  return all;
}

test.each([0, 1, 3, 32])(
  'an index is whole and in order, whatever its size and prefix (PrefixLength %d)',
  async (length) => {
    for (const [blocks, pageSize] of [
      [0, 1000],
      [3, 1000],
      [700, 100],
      [3000, 20],
      [2500, 1000],
    ] as const) {
      const { store, expected } = listedStore(blocks, length, pageSize);
      for (const prefix of ['', '7', 'ab', 'abc', expected[1]?.hash ?? 'f'.repeat(32)]) {
        const wanted = expected.filter(({ hash }) => hash.startsWith(prefix));
        expect([blocks, prefix, await read(indexBlocks(store, length, prefix))]).toEqual([blocks, prefix, wanted]);
      }
      const from = expected[Math.floor(blocks / 3)]?.hash ?? '8';
      const rest = expected.filter(({ hash }) => hash >= from);
      expect(await read(indexBlocks(store, length, '', from))).toEqual(rest);
    }
  },
  60_000,
);

test('a large index is listed in several parts at once, within six requests and not many more in all', async () => {
  const { store, expected, stats } = listedStore(4000, 3, 100);
  expect(await read(indexBlocks(store, 3, ''))).toEqual(expected);
  expect(stats().most).toBeGreaterThan(4);
  expect(stats().most).toBeLessThanOrEqual(6);
  expect(stats().lists).toBeLessThan(2 * 40 * 2);
});

test('a listing that fails in any part makes the index fail, after the entries before it', async () => {
  const { store, expected } = listedStore(2000, 3, 50);
  const broken: ObjectStore = {
    ...store,
    list: (options) => (options.prefix.startsWith('9') ? Promise.reject(new Error('gone')) : store.list(options)),
  };
  const seen: unknown[] = [];
  await expect(
    (async () => {
      for await (const page of indexBlocks(broken, 3, '')) seen.push(...page);
    })(),
  ).rejects.toThrow('gone');
  expect(seen).toEqual(expected.slice(0, seen.length));
  expect(seen.length).toBeGreaterThan(500);
});

test('an index that a store lists out of order, or twice, breaks off: what it misses would count as lost, or as garbage', async () => {
  for (const names of ['ba', 'abb']) {
    const keys = [...names].map((digit) => digit.repeat(32));
    const list = async ({ prefix }: ListOptions): Promise<ListPage> => ({
      objects: prefix === '' ? keys.map((key) => ({ key, size: 1, md5: null, modified: 0 })) : [],
      next: null,
    });
    const store = { list } as unknown as ObjectStore;
    await expect(read(indexBlocks(store, 0, ''))).rejects.toMatchObject({ code: 'unavailable' });
  }
});
