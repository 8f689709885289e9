import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import { changeRow, WHOLE_ROW } from '../../../src/collections/change-row.ts';
import { createCollections } from '../../../src/collections/collections.ts';
import { commitBatch } from '../../../src/collections/edit/commit-batch.ts';
import { metadataStatements } from '../../../src/collections/edit/metadata-rows.ts';
import { quotasOf, setQuota } from '../../../src/collections/quota.ts';
import type { Row } from '../../../src/records/columns.ts';
import { database, NO_VERSIONS, ROOT } from '../support/database.ts';

const WRITER = { user: ROOT, tokenUuid: null, token: '' };

test('nothing is left of a commit that came too late or was refused: no metadata, no version, nothing that a quota counts', async () => {
  const db = await database();
  const { MANIFESTS: manifests } = env as unknown as { MANIFESTS: R2Bucket };
  const common = { db, manifests, now: Date.now, versions: NO_VERSIONS };
  const collections = createCollections({
    ...common,
    clusterId: 'xedge',
    defaultStorageClasses: ['default'],
    trashLifetimeSeconds: 1000,
  });
  const { record } = await collections.create({ attributes: {}, manifest: null }, ROOT);
  const uuid = String(record.uuid);
  await setQuota(db, ROOT.uuid, 100);
  const used = async () => (await quotasOf(db, ROOT.uuid)).map((quota) => quota.used);
  const rowNow = async () =>
    (await db.prepare(`SELECT ${WHOLE_ROW} FROM collections WHERE uuid = ?`).bind(uuid).first<Row>()) ?? {};

  const before = await rowNow();
  const typed = (path: string) =>
    metadataStatements(
      db,
      uuid,
      Number(before.revision),
      [{ kind: 'put', path, ranges: [], metadata: {} }],
      () => 'absent',
    );
  expect(await changeRow(common, before, { file_size_total: 40 }, { statements: typed('first') })).toBe(true);
  const late = { statements: typed('late'), keep: 'kept' as const };
  expect(await changeRow(common, before, { file_size_total: 50 }, late)).toBe(false);
  expect(await used()).toEqual([40]);
  const paths = db.prepare('SELECT path FROM file_metadata WHERE collection_uuid = ?').bind(uuid);
  expect((await paths.all()).results).toEqual([{ path: 'first' }]);
  const versions = db.prepare('SELECT 1 FROM collection_versions WHERE current_version_uuid = ?').bind(uuid);
  expect((await versions.all()).results).toEqual([]);

  const locator = `acbd18db4cc2f85cedef654fccc4a4d8+${3 * 2 ** 20}`;
  const [outcome] = await commitBatch(
    uuid,
    [
      {
        writer: WRITER,
        edits: [{ kind: 'put', path: 'large', ranges: [{ locator, offset: 0, length: 3 * 2 ** 20 }] }],
        conditions: [],
        lockTokens: [],
      },
    ],
    { ...common, locks: () => [], columnsOf: () => Promise.reject(new Error('none')) },
  );
  expect(outcome).toMatchObject({ ok: false, code: 'full' });
  expect(await used()).toEqual([40]);
  expect((await rowNow()).revision).toBe(2);
});
