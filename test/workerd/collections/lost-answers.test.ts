import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { backupWatches } from '../../../src/backups/backups.ts';
import { readFileLog } from '../../../src/backups/file-log.ts';
import { WHOLE_ROW } from '../../../src/collections/change-row.ts';
import { createCollections } from '../../../src/collections/collections.ts';
import { commitBatch } from '../../../src/collections/edit/commit-batch.ts';
import type { Edit, EditRequest } from '../../../src/collections/edit/edits.ts';
import type { Row } from '../../../src/records/columns.ts';
import { watchedDatabase } from '../../../src/records/watched-database.ts';
import { database, NO_VERSIONS, ROOT } from '../support/database.ts';

/** Commits whose end is not told: D1's answer is lost, or comes late, or the bucket refuses what belongs to them. */

const FOO = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
/** Its text is in the bucket. */
const LARGE = `. ${FOO} ${Array.from({ length: 2000 }, (_, i) => `0:3:a-rather-long-name-of-a-file-${i}`).join(' ')}\n`;
const TYPED: Edit = {
  kind: 'put',
  path: 'new',
  ranges: [{ locator: FOO, offset: 0, length: 3 }],
  metadata: { contentType: 'text/x' },
};

const { MANIFESTS: bucket } = env as unknown as { MANIFESTS: R2Bucket };
let plain: D1Database;
let uuid: string;
beforeEach(async () => {
  plain = await database();
  const collections = createCollections({
    ...settings(plain),
    clusterId: 'xedge',
    defaultStorageClasses: ['default'],
    trashLifetimeSeconds: 1000,
  });
  const manifest = await collections.stage([new TextEncoder().encode(LARGE)], null);
  uuid = String((await collections.create({ attributes: {}, manifest }, ROOT)).record.uuid);
});

const settings = (db: D1Database) => ({ db, manifests: bucket, now: Date.now, versions: NO_VERSIONS });

/** As the service has it. */
function watched(db: D1Database, manifests = bucket): D1Database {
  return watchedDatabase(db, backupWatches({ db, manifests, later: () => undefined }));
}

/** A database whose batches that change collections do something else. */
function changing(db: D1Database, run: (commit: () => Promise<D1Result[]>) => Promise<D1Result[]>): D1Database {
  const updates = new WeakSet<D1PreparedStatement>();
  return Object.assign(Object.create(db) as D1Database, {
    prepare(sql: string) {
      const statement = db.prepare(sql);
      if (!sql.startsWith('UPDATE collections')) return statement;
      return Object.assign(Object.create(statement) as D1PreparedStatement, {
        bind(...values: unknown[]) {
          const bound = statement.bind(...values);
          updates.add(bound);
          return bound;
        },
      });
    },
    batch: (statements: D1PreparedStatement[]) => {
      const commit = () => db.batch(statements);
      return statements.some((statement) => updates.has(statement)) ? run(commit) : commit();
    },
  });
}

function commit(db: D1Database, edit: Edit = TYPED) {
  const writer = { user: ROOT, tokenUuid: null, token: '' };
  const request: EditRequest = { writer, edits: [edit], conditions: [], lockTokens: [] };
  const columnsOf = () => Promise.reject(new Error('none'));
  return commitBatch(uuid, [request], { ...settings(db), locks: () => [], columnsOf });
}

/** The row, which must have its text and its backup. */
async function wholeRow(): Promise<Row> {
  const row = await plain.prepare(`SELECT ${WHOLE_ROW} FROM collections WHERE uuid = ?`).bind(uuid).first<Row>();
  expect(await bucket.head(String(row?.manifest_key))).not.toBeNull();
  const revision = String(row?.revision).padStart(12, '0');
  const { objects } = await bucket.list({ prefix: `backups/collections/${uuid}/${revision}-` });
  expect(objects.length).toBe(1);
  return row ?? {};
}

/** A bucket that takes no metadata of files. */
const refusing = Object.assign(Object.create(bucket) as R2Bucket, {
  put: (key: string, value: string) =>
    key.startsWith('backups/files/') ? Promise.reject(new Error('down')) : bucket.put(key, value),
});

test('a revision whose metadata the bucket refuses keeps its text and its backup', async () => {
  expect(await commit(watched(plain, refusing))).toMatchObject([{ ok: false, code: 'unavailable' }]);
  expect((await wholeRow()).revision).toBe(2);
});

test('metadata of files is in the bucket, too, when a commit counts whose answer was lost', async () => {
  const lossy = changing(plain, async (commit) => {
    await commit();
    throw new Error('Network connection lost.');
  });
  expect(await commit(watched(lossy))).toMatchObject([{ ok: true }]);
  expect((await wholeRow()).revision).toBe(2);
  expect((await readFileLog(bucket, uuid)).files.get('new')?.metadata).toContain('text/x');
});

test('a commit whose answer was lost does not count while the bucket refuses its metadata', async () => {
  const lossy = changing(plain, async (commit) => {
    await commit();
    throw new Error('Network connection lost.');
  });
  expect(await commit(watched(lossy, refusing))).toMatchObject([{ ok: false, code: 'unavailable' }]);
  expect((await wholeRow()).revision).toBe(2);
});

test('a commit that D1 makes after it was given up has its text and its backup', async () => {
  let late = () => Promise.resolve<unknown>(undefined);
  const slow = changing(plain, (commit) => {
    late = commit;
    return Promise.reject(new Error('Network connection lost.'));
  });
  await expect(commit(watched(slow))).rejects.toThrow('Network connection lost');
  expect((await wholeRow()).revision).toBe(1);
  await late();
  expect((await wholeRow()).revision).toBe(2);
});
