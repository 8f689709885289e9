import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import type { Authority, User } from '../../../src/accounts/account.ts';
import { LEVEL } from '../../../src/accounts/levels.ts';
import { createNearReads } from '../../../src/accounts/near-reads.ts';
import { backupWatches } from '../../../src/backups/backups.ts';
import { createCollections } from '../../../src/collections/collections.ts';
import { createD1Source } from '../../../src/collections/d1-source.ts';
import { type BatchContext, commitBatch } from '../../../src/collections/edit/commit-batch.ts';
import type { Condition, Edit } from '../../../src/collections/edit/edits.ts';
import { createFileTrees } from '../../../src/collections/file-trees.ts';
import { watchedDatabase } from '../../../src/records/watched-database.ts';
import { measuredDatabase } from '../../support/measured-database.ts';
import { createTrips, type Trips } from '../../support/trips.ts';
import { database, emptyDatabase, NO_VERSIONS } from '../support/database.ts';
import { withHeldStatements } from '../support/held-statements.ts';

/** The table of docs/consistency.md#round-trips: what is asked of D1 and of the bucket of texts, for an ordinary user. */

const USER: User = {
  uuid: 'xedge-tpzed-aaaaaaaaaaaaaaa',
  isAdmin: false,
  isActive: true,
  username: 'a',
  fullName: '',
  roles: [
    { uuid: 'xedge-j7d0g-fffffffffffffff', level: LEVEL.write },
    { uuid: 'xedge-j7d0g-anonymouspublic', level: LEVEL.read },
  ],
};
const TOKEN = 'xedge-gj3su-aaaaaaaaaaaaaaa';
const writer = { user: USER, tokenUuid: TOKEN, token: 'token' };
const NOW = '2026-01-01T00:00:00.000000000Z';
const FOO = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
const AUTHORITY: Authority = {
  identify: async () => ({ user: USER, scopes: ['all'], tokenUuid: TOKEN, expiresAt: null }),
};

let held: ReturnType<typeof withHeldStatements>;
let trips: Trips;
let bucket: { reads: number; writes: number };
let setup: ReturnType<typeof settings>;
let reset: () => void;
const settings = (db: D1Database, manifests: R2Bucket) => ({
  db,
  manifests,
  clusterId: 'xedge',
  defaultStorageClasses: ['default'],
  trashLifetimeSeconds: 1000,
  versions: NO_VERSIONS,
  now: Date.now,
});

beforeEach(async () => {
  const plain = await database();
  for (const table of ['tokens', 'collection_versions', 'file_metadata'])
    await plain.prepare(`DELETE FROM ${table}`).run();
  await emptyDatabase(plain);
  await plain.batch([
    plain
      .prepare(
        'INSERT INTO users (uuid, owner_uuid, created_at, modified_at, modified_by_user_uuid) VALUES (?, ?, ?, ?, ?)',
      )
      .bind(USER.uuid, 'xedge-tpzed-000000000000000', NOW, NOW, USER.uuid),
    plain
      .prepare(
        'INSERT INTO tokens (uuid, owner_uuid, secret_sha256, created_at, modified_at, modified_by_user_uuid) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .bind(TOKEN, USER.uuid, 'x', NOW, NOW, USER.uuid),
  ]);
  held = withHeldStatements(plain);
  trips = createTrips();
  const measured = measuredDatabase(held.db, trips);
  const { MANIFESTS } = env as unknown as { MANIFESTS: R2Bucket };
  bucket = { reads: 0, writes: 0 };
  const read = <Result>(result: Result) => {
    bucket.reads++;
    return result;
  };
  const written = <Result>(result: Result) => {
    bucket.writes++;
    return result;
  };
  const counted = {
    get: (key: string) => read(MANIFESTS.get(key)),
    put: (key: string, value: Uint8Array) => written(MANIFESTS.put(key, value)),
    delete: (keys: string | string[]) => written(MANIFESTS.delete(keys)),
  } as unknown as R2Bucket;
  // As the service has it: the metadata of files is backed up before a change is acknowledged.
  const backedUp = watchedDatabase(
    measured.db,
    backupWatches({ db: measured.db, manifests: counted, later: () => undefined }),
  );
  setup = settings(backedUp, counted);
  reset = () => {
    trips.reset();
    Object.assign(bucket, { reads: 0, writes: 0 });
  };
});

/** Round trips to D1 that are waited for, one after the other; reads of the bucket of texts, writes to it. */
async function waitedFor(work: () => Promise<unknown>): Promise<[d1: number, reads: number, writes: number]> {
  reset();
  held.hold();
  await work();
  const d1 = trips.inSequence().length;
  held.release();
  await trips.settled();
  return [d1, bucket.reads, bucket.writes];
}

const text = (files: number) =>
  `. ${FOO} ${Array.from({ length: files }, (_, i) => `0:3:a-rather-long-name-of-a-file-${i}`).join(' ')}\n`;

async function collectionOf(files: number, versions = NO_VERSIONS) {
  const collections = createCollections({ ...setup, versions });
  const manifest = await collections.stage([new TextEncoder().encode(text(files))], null);
  const { record } = await collections.create({ attributes: { name: `${files}` }, manifest }, USER);
  return { collections, uuid: String(record.uuid), hash: String(record.portable_data_hash) };
}

const INLINE = 1;
/** Its text is in the bucket. */
const LARGE = 2000;
/** Its text is not held in memory. */
const HUGE = 40_000;

test('a read asks D1 once, by UUID and by portable data hash; a past version once more', async () => {
  const made = await collectionOf(INLINE, { ...NO_VERSIONS, automatic: true, idleSeconds: 0 });
  const source = createD1Source(setup, made.collections, AUTHORITY, createNearReads(setup.db, 60, Date.now));
  const trees = createFileTrees(false);
  const read = async (id: string) => {
    const found = await source.open(id, 'token');
    if (found === null) throw new Error(`${id} is not there`);
    await trees.treeOf(found, 'token');
    await source.metadata(found, ['a']);
  };
  // The row is read without its text: the first reader of a content asks for that once.
  expect(await waitedFor(() => read(made.uuid))).toEqual([2, 0, 0]);
  expect(await waitedFor(() => read(made.uuid))).toEqual([1, 0, 0]);
  expect(await waitedFor(() => read(made.hash))).toEqual([1, 0, 0]);
  await made.collections.update(made.uuid, { attributes: { name: 'b' }, manifest: null }, writer);
  const past = await setup.db.prepare('SELECT uuid FROM collection_versions').first<{ uuid: string }>();
  expect(await waitedFor(() => read(past?.uuid ?? ''))).toEqual([2, 0, 0]);

  const large = await collectionOf(LARGE);
  expect(await waitedFor(() => read(large.uuid))).toEqual([1, 1, 0]);
  expect(await waitedFor(() => read(large.uuid))).toEqual([1, 0, 0]);
});

const put = (path: string, metadata?: object): Edit => ({
  kind: 'put',
  path,
  ranges: [{ locator: FOO, offset: 0, length: 3 }],
  ...(metadata === undefined ? {} : { metadata }),
});

test('a commit costs the same for one edit and for many that wait together, and a text in the bucket a few reads more', async () => {
  const context: BatchContext = { ...setup, locks: () => [], columnsOf: () => Promise.reject(new Error('none')) };
  const commit = async (uuid: string, edits: Edit[], conditions: Condition[] = []) => {
    const requests = edits.length === 0 ? [[]] : edits.map((edit) => [edit]);
    const asked = requests.map((each) => ({ writer, edits: each, conditions, lockTokens: [] }));
    const outcomes = await commitBatch(uuid, asked, context);
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
  };
  const small = await collectionOf(INLINE);
  const costs = async (...asked: [uuid: string, edits: Edit[], conditions?: Condition[]]) =>
    waitedFor(() => commit(...asked));
  expect(await costs(small.uuid, [put('one')])).toEqual([2, 0, 1]);
  const many = Array.from({ length: 64 }, (_, i) => put(`many-${i}`));
  expect(await costs(small.uuid, many)).toEqual([2, 0, 1]);
  const otherwise = { code: 'precondition_failed', message: '' } as const;
  const isAnyFile: Condition = { path: 'many-1', etag: ['*'], matches: true, otherwise };
  expect(await costs(small.uuid, [put('two')], [isAnyFile])).toEqual([2, 0, 1]);
  expect(await costs(small.uuid, [{ kind: 'delete', path: 'one' }])).toEqual([2, 0, 1]);
  // What LOCK asks before it takes the lock.
  expect(await costs(small.uuid, [])).toEqual([1, 0, 0]);
  const large = await collectionOf(LARGE);
  expect(await costs(large.uuid, [put('one')])).toEqual([2, 1, 2]);
  const huge = await collectionOf(HUGE);
  expect(await costs(huge.uuid, [put('one')])).toEqual([2, 2, 2]);
  expect(await costs(small.uuid, [put('typed', { contentType: 'text/x-y' })])).toEqual([2, 0, 2]);
  expect(await costs(small.uuid, [put('two')], [isAnyFile])).toEqual([3, 0, 1]);
  expect(await costs(small.uuid, [{ kind: 'properties', path: 'typed', set: { 'urn:z a': '1' } }])).toEqual([3, 0, 2]);
});
