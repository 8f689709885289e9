import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, expect, test } from 'vitest';
import { assemble } from '../../../src/collections/uploads/assemble.ts';
import { createPartRows } from '../../../src/collections/uploads/part-rows.ts';
import {
  deleteUpload,
  findUpload,
  insertUpload,
  listUploads,
  sweepUploads,
} from '../../../src/collections/uploads/upload-rows.ts';
import { createUploadTable, MAX_OPEN_UPLOADS } from '../../../src/collections/uploads/upload-table.ts';
import { database } from '../support/database.ts';

const UUID = 'xtest-4zz18-000000000000000';
const DAY_MS = 24 * 3600 * 1000;
const NOW = Date.parse('2026-06-15T00:00:00Z');
let db: D1Database;

beforeAll(async () => {
  db = await database();
});

const insert = (id: string, path: string, now = NOW) =>
  insertUpload(db, { id, collectionUuid: UUID, path, userUuid: 'u', metadata: {}, checksum: null }, now);

test('an upload that is not completed within seven days ends: its parts go first, and younger ones stay', async () => {
  await insert('old', 'a', NOW - 8 * DAY_MS);
  await insert('young', 'b', NOW - 6 * DAY_MS);
  const dropped: [string, string[]][] = [];
  await sweepUploads(db, NOW, async (uuid, uploads) => {
    expect(await findUpload(db, UUID, 'old')).not.toBeNull();
    dropped.push([uuid, uploads]);
  });
  expect(dropped).toEqual([[UUID, ['old']]]);
  expect(await findUpload(db, UUID, 'old')).toBeNull();
  expect((await findUpload(db, UUID, 'young'))?.upload.path).toBe('b');
});

test('open uploads are listed by key, then upload, page by page, and none twice', async () => {
  for (const [id, path] of [
    ['u3', 'k'],
    ['u1', 'k'],
    ['u2', 'j'],
    ['u4', 'l'],
  ] as const)
    await insert(id, path);
  await deleteUpload(db, UUID, 'young');
  const listed: string[] = [];
  for (let at = { path: '', id: '' }; ; ) {
    const page = await listUploads(db, UUID, { ...at, limit: 2 });
    listed.push(...page.map(({ path, id }) => `${path} ${id}`));
    const last = page.at(-1);
    if (last === undefined) break;
    at = { path: last.path, id: last.id };
  }
  expect(listed).toEqual(['j u2', 'k u1', 'k u3', 'l u4']);
});

test('beside a cluster the object of a collection keeps its uploads: listed in order, once complete not open, ended when old', () => {
  const { COLLECTION } = env as unknown as { COLLECTION: DurableObjectNamespace };
  return runInDurableObject(COLLECTION.getByName(UUID), (_, { storage }) => {
    const table = createUploadTable(storage);
    const add = (id: string, path: string, at: number) =>
      table.insert({ id, collectionUuid: UUID, path, userUuid: 'u', metadata: {}, checksum: null }, at);
    expect(table.nextEnd()).toBeNull();
    add('u2', 'k', NOW);
    add('u1', 'k', NOW);
    add('u3', 'j', NOW - 8 * DAY_MS);
    add('u4', 'l', NOW - 6 * DAY_MS);
    const page = (path: string, id: string) => table.list(UUID, { path, id, limit: 2 }).map((upload) => upload.id);
    expect([page('', ''), page('k', 'u1'), page('l', 'u4')]).toEqual([['u3', 'u1'], ['u2', 'u4'], []]);
    table.complete('u1', JSON.stringify({ etag: '"e"', size: 1, checksum: null, parts: 'p' }));
    expect(table.find(UUID, 'u1')?.completed).toEqual({ etag: '"e"', size: 1, checksum: null, parts: 'p' });
    expect([table.delete('u1'), table.delete('u2'), table.delete('u2')]).toEqual([false, true, false]);
    expect(table.sweep(NOW)).toEqual(['u3']);
    expect([page('', ''), table.nextEnd()]).toEqual([['u4'], NOW + DAY_MS]);
    expect(table.find(UUID, 'u3')).toBeNull();
  });
});

test('beside a cluster a collection has at most a thousand open uploads, and old ones end some hundreds at a time', () => {
  const { COLLECTION } = env as unknown as { COLLECTION: DurableObjectNamespace };
  return runInDurableObject(COLLECTION.getByName('xtest-4zz18-manyuploads0000'), (_, { storage }) => {
    const table = createUploadTable(storage);
    const add = (id: string, at: number) =>
      table.insert({ id, collectionUuid: UUID, path: 'k', userUuid: 'u', metadata: {}, checksum: null }, at);
    for (let i = 0; i < MAX_OPEN_UPLOADS; i++) add(`u${i}`, NOW - 8 * DAY_MS + i);
    expect(() => add('more', NOW)).toThrow(/complete or abort some of them first/);
    table.complete('u999', '{}');
    add('more', NOW);
    expect(table.sweep(NOW)).toHaveLength(500);
    expect(table.nextEnd()).toBeLessThan(NOW);
    expect([table.sweep(NOW).length, table.sweep(NOW), table.nextEnd()]).toEqual([500, [], NOW + 7 * DAY_MS]);
  });
});

test('parts of very many ranges are read some at a time, and no object is made of more than a collection’s object can hold', () => {
  const { COLLECTION } = env as unknown as { COLLECTION: DurableObjectNamespace };
  return runInDurableObject(COLLECTION.getByName('ranges'), async (_, { storage }) => {
    const rows = createPartRows(storage);
    const etag = `"${'e'.repeat(32)}"`;
    const ranges = Array.from({ length: 10_000 }, (_, i) => ({
      locator: `${'a'.repeat(32)}+99999`,
      offset: i,
      length: 1,
    }));
    const numbers = Array.from({ length: 11 }, (_, i) => i + 1);
    for (const number of numbers) rows.put('u', { number, etag, size: 10_000, checksum: null, modified: NOW, ranges });
    const read: number[][] = [];
    for (let after = 0; ; ) {
      const page = rows.withRanges('u', after, 500);
      if (page.length === 0) break;
      read.push(page.map(({ number }) => number));
      after = page.at(-1)?.number ?? 0;
    }
    expect(read.flat()).toEqual(numbers);
    expect(Math.max(...read.map(({ length }) => length))).toBe(2);
    const request = (parts: number[]) => ({
      id: 'u',
      path: 'p',
      parts: parts.map((number) => ({ number, etag, checksum: null })),
      writer: { user: { uuid: 'u' }, tokenUuid: null, token: '' } as never,
      conditions: [],
      checksum: null,
      size: null,
    });
    const whole = await assemble(request(numbers.slice(1)), rows, null);
    expect([whole.size, whole.ranges.length, whole.ranges[10_001]]).toEqual([100_000, 100_000, ranges[1]]);
    await expect(assemble(request(numbers), rows, null)).rejects.toMatchObject({ code: 'too_large' });
  });
});
