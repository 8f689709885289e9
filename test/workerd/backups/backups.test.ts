import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { ACCOUNT_CHANGES, idsOf } from '../../../src/backups/account-log.ts';
import { backupWatches } from '../../../src/backups/backups.ts';
import { backUpEarlierCollections } from '../../../src/backups/earlier-collections.ts';
import { mergeFileLog, readFileLog } from '../../../src/backups/file-log.ts';
import { restoreStep } from '../../../src/backups/restore.ts';
import { restoreCollection } from '../../../src/backups/restore-one.ts';
import { snapshotSlice } from '../../../src/backups/snapshot.ts';
import { writeBackup } from '../../../src/collections/backup.ts';
import { sweepBackups } from '../../../src/collections/backup-sweep.ts';
import { watchedDatabase } from '../../../src/records/watched-database.ts';
import { database } from '../support/database.ts';

const TIME = '2026-01-01T00:00:00.000000000Z';
const EMPTY = 'd41d8cd98f00b204e9800998ecf8427e+0';
let db: D1Database;
let bare: D1Database;
let manifests: R2Bucket;
let count = 0;

const uuid = (infix: string) => `xedge-${infix}-${String(++count).padStart(15, '0')}`;
const changes = async () => (await manifests.list({ prefix: ACCOUNT_CHANGES })).objects.map(({ key }) => key);
const RECORD = 'created_at, modified_at, modified_by_user_uuid';

/** Work that no answer waits for. */
let begun: Promise<unknown>[] = [];
const later = (work: Promise<unknown>) => void begun.push(work);

beforeEach(async () => {
  begun = [];
  bare = await database();
  manifests = (env as unknown as { MANIFESTS: R2Bucket }).MANIFESTS;
  db = watchedDatabase(bare, backupWatches({ db: bare, manifests, later }));
});

async function addUser(): Promise<string> {
  const user = uuid('tpzed');
  await db
    .prepare(`INSERT INTO users (uuid, owner_uuid, ${RECORD}) VALUES (?, 'xedge-tpzed-000000000000000', ?, ?, '')`)
    .bind(user, TIME, TIME)
    .run();
  return user;
}

async function addGroup(owner: string): Promise<string> {
  const group = uuid('j7d0g');
  await db
    .prepare(`INSERT INTO groups (uuid, owner_uuid, ${RECORD}) VALUES (?, ?, ?, ?, '')`)
    .bind(group, owner, TIME, TIME)
    .run();
  return group;
}

async function insertCollection(own: string): Promise<void> {
  await bare
    .prepare(
      `INSERT INTO collections (uuid, owner_uuid, portable_data_hash, manifest_inline, manifest_bytes, file_count, file_size_total, ${RECORD})
     VALUES (?, 'xedge-tpzed-000000000000000', ?, '', 0, 0, 0, ?, ?, '')`,
    )
    .bind(own, EMPTY, TIME, TIME)
    .run();
}

const collectionRow = (own: string, more: object = {}) => ({
  uuid: own,
  owner_uuid: 'xedge-tpzed-000000000000000',
  name: own,
  portable_data_hash: EMPTY,
  manifest_inline: '',
  manifest_bytes: 0,
  file_count: 0,
  file_size_total: 0,
  created_at: TIME,
  modified_at: TIME,
  modified_by_user_uuid: '',
  revision: 3,
  ...more,
});

test('a change is in the bucket when its statement is done, and so is what a trigger removes along with it', async () => {
  const user = await addUser();
  const group = await addGroup(user);
  const link = uuid('o0j2j');
  await db.batch([
    db
      .prepare(
        `INSERT INTO links (uuid, owner_uuid, link_class, tail_uuid, head_uuid, head_class, level, ${RECORD})
         VALUES (?, ?, 'permission', ?, ?, 'project', 1, ?, ?, '')`,
      )
      .bind(link, user, user, group, TIME, TIME),
  ]);
  const before = (await changes()).length;
  await db.prepare('DELETE FROM groups WHERE uuid = ?').bind(group).run();
  const after = await changes();
  expect(after.length).toBe(before + 1);
  const last = (await (await manifests.get(after.at(-1) ?? ''))?.json()) as {
    changes: { table: string; row: unknown }[];
  };
  expect(last.changes.map(({ table, row }) => [table, row]).sort()).toEqual([
    ['groups', null],
    ['links', null],
  ]);
  expect(await bare.prepare('SELECT count(*) AS n FROM account_changes').first('n')).toBe(0);
});

test('a statement that reads, or changes nothing, writes nothing to the bucket', async () => {
  const before = await changes();
  await db.prepare('SELECT * FROM users').all();
  await db.prepare("DELETE FROM tokens WHERE uuid = 'none'").run();
  expect(await changes()).toEqual(before);
});

test('a change that the bucket refuses is an error for its writer, and is written with the next one', async () => {
  const refusing = { ...manifests, put: () => Promise.reject(new Error('down')) } as unknown as R2Bucket;
  const unlucky = watchedDatabase(bare, backupWatches({ db: bare, manifests: refusing, later }));
  const user = await addUser();
  const group = await addGroup(user);
  const change = unlucky.prepare("UPDATE groups SET description = 'x' WHERE uuid = ?").bind(group);
  await expect(change.run()).rejects.toMatchObject({ code: 'unavailable' });
  await addUser();
  const newest = (await changes()).at(-1) ?? '';
  expect(await (await manifests.get(newest))?.text()).toContain(group);
});

test('a snapshot takes the place of the changes before it', async () => {
  await addUser();
  while (await snapshotSlice({ db: bare, manifests }));
  expect(await changes()).toEqual([]);
  await addUser();
  const [key = ''] = await changes();
  expect(idsOf(key).first).toBe(idsOf(key).last);
});

test('restored projects have all that is above them, whatever the order they come in', async () => {
  const user = await addUser();
  const outer = await addGroup(user);
  const inner = await addGroup(outer);
  // Changed last, so restored first.
  await db.prepare("UPDATE groups SET description = 'later' WHERE uuid = ?").bind(inner).run();
  const ancestors = () =>
    bare
      .prepare('SELECT * FROM ancestors WHERE uuid = ? ORDER BY ancestor')
      .bind(inner)
      .all()
      .then(({ results }) => results);
  const before = await ancestors();
  expect(before.length).toBe(2);
  for (const table of ['ancestors', 'collections', 'links', 'tokens', 'groups', 'users', 'account_changes'])
    await bare.prepare(`DELETE FROM ${table}`).run();
  let state = await restoreStep({ db: bare, manifests });
  while (state.phase !== 'done') state = await restoreStep({ db: bare, manifests });
  // What the deletion by hand noted was never in the bucket.
  expect(state.unproven).toBeNull();
  expect(await ancestors()).toEqual(before);
  expect(await bare.prepare('SELECT description FROM groups WHERE uuid = ?').bind(inner).first('description')).toBe(
    'later',
  );
});

test('a deleted collection comes back out of the trash, with the metadata of its files and as a new revision', async () => {
  const own = uuid('4zz18');
  await writeBackup(manifests, collectionRow(own, { trash_at: TIME, delete_at: TIME }), TIME);
  await db.prepare('INSERT INTO file_metadata VALUES (?, ?, ?)').bind(own, 'a', '{"contentType":"text/x"}').run();
  await bare.prepare('DELETE FROM file_metadata WHERE collection_uuid = ?').bind(own).run();
  await restoreCollection(own, { db: bare, manifests });
  const row = await bare
    .prepare('SELECT trash_at, delete_at, revision FROM collections WHERE uuid = ?')
    .bind(own)
    .first();
  expect(row).toEqual({ trash_at: null, delete_at: null, revision: 4 });
  const metadata = bare.prepare('SELECT metadata FROM file_metadata WHERE collection_uuid = ?').bind(own);
  expect(await metadata.first('metadata')).toBe('{"contentType":"text/x"}');
  await expect(restoreCollection(own, { db: bare, manifests })).rejects.toMatchObject({ code: 'invalid_record' });
});

test('a sweep on an empty database leaves the backups of a collection that was never deleted', async () => {
  const own = uuid('4zz18');
  await writeBackup(manifests, collectionRow(own, { revision: 1 }), TIME);
  await writeBackup(manifests, collectionRow(own, { revision: 2 }), TIME);
  const context = { db: bare, manifests, supersededSeconds: 1, deletedSeconds: 1, now: () => Date.now() + 1e9 };
  expect(await sweepBackups(own, context)).toBeNull();
  expect((await manifests.list({ prefix: `backups/collections/${own}/` })).objects.length).toBe(2);
});

test('what is in the bucket is forgotten beside the answer, and written once more where that fails', async () => {
  const own = uuid('4zz18');
  await insertCollection(own);
  const keys = async () => (await manifests.list({ prefix: `backups/files/${own}/` })).objects.map(({ key }) => key);
  const pending = () =>
    bare.prepare('SELECT count(*) AS n FROM file_changes WHERE collection_uuid = ?').bind(own).first('n');
  const added = (to: D1Database, path: string) =>
    to.batch([to.prepare('INSERT INTO file_metadata VALUES (?, ?, ?)').bind(own, path, '{}')]);
  const stubborn = Object.assign(Object.create(bare) as D1Database, {
    prepare: (sql: string) =>
      bare.prepare(/^DELETE FROM file_changes/.test(sql) ? 'DELETE FROM nowhere WHERE id = ?' : sql),
    batch: (statements: D1PreparedStatement[]) => bare.batch(statements),
  });
  await added(watchedDatabase(stubborn, backupWatches({ db: stubborn, manifests, later })), 'one');
  await Promise.all(begun);
  expect((await keys()).length).toBe(1);
  expect(await pending()).toBe(1);
  await added(db, 'two');
  await Promise.all(begun);
  expect((await keys()).length).toBe(2);
  expect(await pending()).toBe(0);
  const { files } = await readFileLog(manifests, own);
  expect([...files.keys()].sort()).toEqual(['one', 'two']);
});

test('many small objects of file metadata become few, with the last state of each file', async () => {
  const own = uuid('4zz18');
  await insertCollection(own);
  for (let n = 0; n < 25; n++)
    await db
      .prepare('INSERT OR REPLACE INTO file_metadata VALUES (?, ?, ?)')
      .bind(own, `f${n % 3}`, `{"n":${n}}`)
      .run();
  await db.prepare('DELETE FROM file_metadata WHERE collection_uuid = ? AND path = ?').bind(own, 'f0').run();
  const prefix = `backups/files/${own}/`;
  expect((await manifests.list({ prefix })).objects.length).toBe(26);
  await mergeFileLog(manifests, own);
  expect((await manifests.list({ prefix })).objects.length).toBe(1);
  const { files } = await readFileLog(manifests, own);
  expect([...files.values()].map(({ path, metadata }) => [path, metadata]).sort()).toEqual([
    ['f0', null],
    ['f1', '{"n":22}'],
    ['f2', '{"n":23}'],
  ]);
});

test('after a rollback, what the older version changed without a backup gets one', async () => {
  await bare.prepare('DELETE FROM backup_state').run();
  const own = uuid('4zz18');
  const row = collectionRow(own, { modified_at: new Date().toISOString().replace('Z', '000000Z') });
  const names = Object.keys(row);
  await bare
    .prepare(`INSERT INTO collections (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
    .bind(...Object.values(row))
    .run();
  const backups = async () => (await manifests.list({ prefix: `backups/collections/${own}/` })).objects.length;
  const later = (ms: number) => backUpEarlierCollections({ db: bare, manifests }, Date.now() + ms);
  await later(0);
  expect(await backups()).toBe(1);
  await bare.prepare('UPDATE collections SET revision = 4 WHERE uuid = ?').bind(own).run();
  await later(300_000);
  expect(await backups()).toBe(1);
  await later(3_600_000);
  expect(await backups()).toBe(2);
});

test('an object of the bucket that was cut short ends no restore: it is named, tokens are disabled, and the rest is there', async () => {
  const kept = await addUser();
  while (await snapshotSlice({ db: bare, manifests }));
  const lost = await addUser();
  const [change = ''] = await changes();
  const own = uuid('4zz18');
  const text = '. acbd18db4cc2f85cedef654fccc4a4d8+3 0:3:foo\n';
  const row = (revision: number) =>
    collectionRow(own, { revision, manifest_inline: text, manifest_bytes: text.length });
  await writeBackup(manifests, row(3), '2026-01-01T00:00:00.000Z');
  const last = await writeBackup(manifests, row(4), '2026-01-02T00:00:00.000Z');
  const metadata = `backups/files/${own}/${'1'.padStart(15, '0')}-x`;
  const cut = async (key: string, by: number) => {
    const whole = await (await manifests.get(key))?.text();
    await manifests.put(key, (whole ?? '{"format":1,"at":"x","changes":[').slice(0, -by));
  };
  for (const key of [change, last, metadata]) await cut(key, 5);
  const restore = async () => {
    for (const table of ['ancestors', 'collections', 'links', 'tokens', 'groups', 'users', 'account_changes'])
      await bare.prepare(`DELETE FROM ${table}`).run();
    let state = await restoreStep({ db: bare, manifests });
    while (state.phase !== 'done') state = await restoreStep({ db: bare, manifests });
    return state;
  };
  const has = (user: string) => bare.prepare('SELECT 1 AS there FROM users WHERE uuid = ?').bind(user).first('there');
  const state = await restore();
  expect(state.unproven).toContain(change);
  for (const key of [change, last, metadata]) expect(state.problems.join('\n')).toContain(key);
  expect(state.problems).toContain(`${own} is as it was at 2026-01-01T00:00:00.000Z: its last revision cannot be read`);
  expect(await bare.prepare('SELECT manifest_inline FROM collections WHERE uuid = ?').bind(own).first()).toEqual({
    manifest_inline: text,
  });
  expect([await has(kept), await has(lost)]).toEqual([1, null]);

  const { objects } = await manifests.list({ prefix: 'backups/accounts/snapshots/' });
  await cut(objects.find(({ key }) => key.endsWith('/complete'))?.key ?? '', 5);
  expect((await restore()).unproven).toContain('/complete cannot be read');
  expect(await has(kept)).toBe(1);
});
