import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { newestBackup, writeBackup } from '../../../src/collections/backup.ts';
import { sweepBackups } from '../../../src/collections/backup-sweep.ts';
import { database } from '../support/database.ts';

const TIME = '2026-01-01T00:00:00.000000000Z';
const LIFETIME_SECONDS = 1000;
let db: D1Database;
let bucket: R2Bucket;
let uuid = '';
let count = 0;

beforeEach(async () => {
  db = await database();
  bucket = (env as unknown as { MANIFESTS: R2Bucket }).MANIFESTS;
  uuid = `xedge-4zz18-${String(++count).padStart(15, '0')}`;
});

/** The row as it is after the last of these revisions, each with the text that it names. */
async function revisions(...texts: string[]): Promise<R2Object[]> {
  for (const [i, manifest_key] of texts.entries()) {
    await bucket.put(manifest_key, 'text');
    await writeBackup(bucket, { uuid, revision: i + 1, manifest_key }, TIME);
    // Their times differ.
    await new Promise((later) => setTimeout(later, 30));
  }
  await db
    .prepare(
      `INSERT INTO collections (uuid, owner_uuid, portable_data_hash, manifest_key, manifest_bytes, file_count,
         file_size_total, created_at, modified_at, modified_by_user_uuid, revision)
       VALUES (?, 'xedge-tpzed-000000000000000', 'd41d8cd98f00b204e9800998ecf8427e+0', ?, 0, 0, 0, ?, ?, '', ?)`,
    )
    .bind(uuid, texts.at(-1) ?? null, TIME, TIME, texts.length)
    .run();
  return (await bucket.list({ prefix: `backups/collections/${uuid}/` })).objects;
}

const sweepAt = (time: number) =>
  sweepBackups(uuid, {
    db,
    manifests: bucket,
    supersededSeconds: LIFETIME_SECONDS,
    deletedSeconds: LIFETIME_SECONDS,
    now: () => time,
  });
const left = async () => (await bucket.list({ prefix: `backups/collections/${uuid}/` })).objects.map(({ key }) => key);
const isThere = async (key: string) => (await bucket.head(key)) !== null;
const uploaded = (object: R2Object | undefined) => object?.uploaded.getTime() ?? Number.NaN;

test('a revision can be restored for its time after another took its place, however old it is itself', async () => {
  const [first, second] = await revisions('manifests/old', 'manifests/new');
  const due = uploaded(second) + LIFETIME_SECONDS * 1000;
  expect(await sweepAt(uploaded(first) + LIFETIME_SECONDS * 1000 + 1)).toBe(due);
  expect(await left()).toEqual([first?.key, second?.key]);
  expect(await isThere('manifests/old')).toBe(true);
  expect(await sweepAt(due)).toBeNull();
  expect(await left()).toEqual([second?.key]);
  expect([await isThere('manifests/old'), await isThere('manifests/new')]).toEqual([false, true]);
});

test('a text stays while a later revision that can be restored names it', async () => {
  const [, second, third] = await revisions('manifests/shared', 'manifests/shared', 'manifests/last');
  await sweepAt(uploaded(second) + LIFETIME_SECONDS * 1000);
  expect(await left()).toEqual([second?.key, third?.key]);
  expect(await isThere('manifests/shared')).toBe(true);
  await sweepAt(uploaded(third) + LIFETIME_SECONDS * 1000);
  expect(await left()).toEqual([third?.key]);
  expect(await isThere('manifests/shared')).toBe(false);
});

test('of several attempts at the last revision of a deleted collection the last one stays as long as it can be restored', async () => {
  const attempts: string[] = [];
  for (let i = 0; i < 8; i++) {
    const delete_at = i < 7 ? null : TIME;
    attempts.push(await writeBackup(bucket, { uuid, revision: 1, manifest_key: null, delete_at }, TIME));
    await new Promise((later) => setTimeout(later, 30));
  }
  const last = attempts.at(-1) ?? '';
  expect(await newestBackup(bucket, uuid)).toBe(last);
  await sweepBackups(uuid, {
    db,
    manifests: bucket,
    supersededSeconds: 1,
    deletedSeconds: 1e9,
    now: () => Date.now() + 10_000,
  });
  expect(await left()).toEqual([last]);
});

test('what a commit left of which nothing was heard goes after an hour, with its text, but never one that the row names', async () => {
  const [first] = await revisions('manifests/kept');
  for (const manifest_key of ['manifests/never', 'manifests/kept']) {
    await bucket.put(manifest_key, 'text');
    await writeBackup(bucket, { uuid, revision: 2, manifest_key }, TIME);
  }
  const [, second, third] = await left();
  const hour = 3_600_000;
  await sweepAt(Date.now() + hour - 60_000);
  expect(await left()).toEqual([first?.key, second, third]);
  expect(await sweepAt(Date.now() + hour + 60_000)).toBeNull();
  expect(await left()).toEqual([first?.key]);
  expect([await isThere('manifests/never'), await isThere('manifests/kept')]).toEqual([false, true]);
});
