import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { Edit, NodeKind } from '../../../src/collections/edit/edits.ts';
import { metadataStatements, readMetadata } from '../../../src/collections/edit/metadata-rows.ts';
import { database, emptyDatabase } from '../support/database.ts';

/** What is kept of files beside their content follows them. */

const UUID = 'xtest-4zz18-000000000000000';
const NOW = '2026-01-01T00:00:00.000000000Z';
let db: D1Database;

beforeAll(async () => {
  db = await database();
});
beforeEach(async () => {
  await db.prepare('DELETE FROM file_metadata').run();
  await emptyDatabase(db);
  await db
    .prepare(
      `INSERT INTO collections (uuid, owner_uuid, created_at, modified_at, modified_by_user_uuid, portable_data_hash, name, revision, manifest_inline, manifest_bytes, file_count, file_size_total)
       VALUES (?, 'xtest-tpzed-000000000000000', ?2, ?2, 'u', 'd41d8cd98f00b204e9800998ecf8427e+0', 'c', 1, '', 0, 0, 0)`,
    )
    .bind(UUID, NOW)
    .run();
});

const keep = (paths: string[]) =>
  db
    .prepare(`INSERT INTO file_metadata SELECT ?1, value, json_object('contentType', value) FROM json_each(?2)`)
    .bind(UUID, JSON.stringify(paths))
    .run();

/** Carries them out, and tells how many rows were read. */
async function run(edits: Edit[], kind: NodeKind = 'directory'): Promise<number> {
  const results = await db.batch(metadataStatements(db, UUID, 1, edits, () => kind));
  return results.reduce((sum, { meta }) => sum + (meta.rows_read ?? Number.NaN), 0);
}

async function kept(): Promise<Record<string, string>> {
  const { results } = await db.prepare('SELECT path FROM file_metadata ORDER BY path').all<{ path: string }>();
  const found = await readMetadata(
    db,
    UUID,
    results.map(({ path }) => path),
  );
  return Object.fromEntries([...found].map(([path, { contentType = '' }]) => [path, contentType]));
}

test.each<[string, Edit, Record<string, string>]>([
  ['a directory', { kind: 'copy', from: 'd', to: 'x/y' }, { 'x/y': 'd', 'x/y/a': 'd/a', 'x/y/é/b': 'd/é/b' }],
  ['a directory alone', { kind: 'copy', from: 'd', to: 'x', shallow: true }, { x: 'd' }],
  ['a directory into the root', { kind: 'copy', from: 'd/é', to: '' }, { b: 'd/é/b' }],
  [
    'the root',
    { kind: 'copy', from: '', to: 'x' },
    { 'x/-': '-', 'x/d': 'd', 'x/d/a': 'd/a', 'x/d/é/b': 'd/é/b', 'x/d0': 'd0', 'x/~': '~' },
  ],
  ['a name of other signs', { kind: 'move', from: 'd/é', to: 'é\u{1f600}' }, { 'é\u{1f600}/b': 'd/é/b' }],
])('of %s goes with a copy, however deep', async (_, edit, added) => {
  const before = { '-': '-', d: 'd', 'd/a': 'd/a', 'd/é/b': 'd/é/b', d0: 'd0', '~': '~' };
  await keep(Object.keys(before));
  await run([edit], edit.kind === 'move' ? 'directory' : 'absent');
  const { 'd/é/b': moved, ...others } = before;
  expect(await kept()).toEqual({ ...others, ...(edit.kind === 'move' ? {} : { 'd/é/b': moved }), ...added });
});

test('of what is removed goes, of what is copied from there stays, and what is beside it is not looked at', async () => {
  await keep(Array.from({ length: 20_000 }, (_, i) => `f${i}`));
  await keep(['d/a', 'd/b']);
  const edits: Edit[] = [
    { kind: 'delete', path: 'd' },
    { kind: 'copy', from: 'd/a', to: 'e' },
    ...Array.from({ length: 100 }, (_, i): Edit => ({ kind: 'delete', path: `f${i}` })),
  ];
  expect(await run(edits)).toBeLessThan(3000);
  const left = await kept();
  expect([left.e, left['d/a'], left.f99, left.f100, Object.keys(left).length]).toEqual([
    'd/a',
    undefined,
    undefined,
    'f100',
    19_901,
  ]);
  await run([{ kind: 'delete', path: '' }]);
  expect(await kept()).toEqual({});
});
