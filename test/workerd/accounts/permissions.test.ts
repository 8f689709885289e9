import { beforeAll, expect, test } from 'vitest';
import { createLinkStore } from '../../../src/accounts/links.ts';
import { MAX_ROLES, rolesOf } from '../../../src/accounts/memberships.ts';
import { newestFirst } from '../../../src/accounts/newest-first.ts';
import { canRead, canWrite, levelOf, requireLevel } from '../../../src/accounts/permissions.ts';
import { scopeOf } from '../../../src/collections/scope.ts';
import { COLLECTIONS } from '../../../src/collections/tables.ts';
import { listRecords } from '../../../src/records/list-query.ts';
import { database } from '../support/database.ts';

const uuid = (infix: string, name: string) => `xedge-${infix}-${name.padEnd(15, '0')}`;
const user = (name: string, isAdmin = false) => ({
  uuid: uuid('tpzed', name),
  isAdmin,
  isActive: true,
  username: name,
  fullName: name,
});
const TIME = '2026-01-01T00:00:00.000000000Z';
let db: D1Database;
beforeAll(async () => {
  db = await database();
  const record = { created_at: TIME, modified_at: TIME, modified_by_user_uuid: '' };
  const insert = (table: string, row: Record<string, unknown>) =>
    db
      .prepare(
        `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${Object.keys(row)
          .map(() => '?')
          .join(', ')})`,
      )
      .bind(...Object.values(row))
      .run();
  const project = (name: string, owner: string, trash_at: string | null = null) =>
    insert('groups', { uuid: uuid('j7d0g', name), owner_uuid: owner, name, trash_at, ...record });
  const collection = (name: string, owner: string) =>
    insert('collections', {
      uuid: uuid('4zz18', name),
      owner_uuid: owner,
      portable_data_hash: 'd41d8cd98f00b204e9800998ecf8427e+0',
      manifest_inline: '',
      manifest_bytes: 0,
      file_count: 0,
      file_size_total: 0,
      ...record,
    });
  for (const name of ['ann', 'bob'])
    await insert('users', { uuid: uuid('tpzed', name), owner_uuid: uuid('tpzed', ''), username: name, ...record });
  await insert('users', { uuid: uuid('tpzed', 'robot'), owner_uuid: uuid('tpzed', 'ann'), is_uploader: 1, ...record });
  await project('outer', uuid('tpzed', 'ann'));
  await project('inner', uuid('j7d0g', 'outer'));
  await project('gone', uuid('tpzed', 'ann'), TIME);
  await collection('deep', uuid('j7d0g', 'inner'));
  await collection('robots', uuid('tpzed', 'robot'));
  await collection('hidden', uuid('j7d0g', 'gone'));
});

test('an owner manages what is inside at any depth, also what an uploader account of theirs owns', async () => {
  for (const name of ['deep', 'robots'])
    expect(await levelOf(db, user('ann'), uuid('4zz18', name)), name).toBe('manage');
  expect(await levelOf(db, user('ann'), uuid('j7d0g', 'inner'))).toBe('manage');
  expect(await levelOf(db, user('ann'), uuid('tpzed', 'ann'))).toBe('manage');
});

test('others have no level, an admin every one', async () => {
  for (const name of ['deep', 'robots', 'nosuch'])
    expect(await levelOf(db, user('bob'), uuid('4zz18', name)), name).toBe('none');
  expect(await levelOf(db, user('root', true), uuid('4zz18', 'deep'))).toBe('manage');
});

test('what is inside a trashed project has no level for anyone', async () => {
  expect(await levelOf(db, user('ann'), uuid('4zz18', 'hidden'))).toBe('none');
  expect(await levelOf(db, user('root', true), uuid('4zz18', 'hidden'))).toBe('none');
});

test('a verb that needs more than there is says whether the record can be seen at all', async () => {
  await requireLevel(db, user('ann'), uuid('4zz18', 'deep'), 'write');
  await expect(requireLevel(db, user('bob'), uuid('4zz18', 'deep'), 'write')).rejects.toMatchObject({
    code: 'not_found',
  });
  expect([canRead('none'), canRead('read'), canWrite('read'), canWrite('manage')]).toEqual([false, true, false, true]);
});

test('the roles that count are those of now, whatever they were when the token was looked up', async () => {
  const lab = uuid('j7d0g', 'lab');
  const link = (name: string, tail: string, head: string, kind: string) =>
    db
      .prepare(
        `INSERT INTO links (uuid, owner_uuid, link_class, name, tail_uuid, head_uuid, head_class, level, created_at, modified_at, modified_by_user_uuid)
         VALUES (?, '', 'permission', 'can_write', ?, ?, ?, 2, '${TIME}', '${TIME}', '')`,
      )
      .bind(uuid('o0j2j', name), tail, head, kind)
      .run();
  const deep = uuid('4zz18', 'deep');
  await link('granted', lab, deep, 'collection');
  const left = { ...user('bob'), roles: [{ uuid: lab, level: 3 }] };
  expect(await levelOf(db, left, deep)).toBe('none');
  await link('joined', uuid('tpzed', 'bob'), lab, 'role');
  for (const known of [user('bob'), left, { ...user('bob'), roles: await rolesOf(db, uuid('tpzed', 'bob')) }])
    expect(await levelOf(db, known, deep)).toBe('write');
  await db
    .prepare('DELETE FROM links WHERE uuid IN (?, ?)')
    .bind(uuid('o0j2j', 'granted'), uuid('o0j2j', 'joined'))
    .run();
});

test('a user in very many roles is still answered: statements stay within the length that D1 takes', async () => {
  const roles = Array.from({ length: 150 }, (_, index) => uuid('j7d0g', `role${index}x`));
  const row = `'${TIME}', '${TIME}', ''`;
  const values = roles.map(
    (role, index) =>
      `('${uuid('o0j2j', `link${index}x`)}', '', 'permission', 'can_write', '${uuid('tpzed', 'bob')}', '${role}', 'role', 2, ${row})`,
  );
  await db
    .prepare(
      `INSERT INTO links (uuid, owner_uuid, link_class, name, tail_uuid, head_uuid, head_class, level, created_at, modified_at, modified_by_user_uuid) VALUES ${values.join(', ')}`,
    )
    .run();
  const bob = { ...user('bob'), roles: await rolesOf(db, uuid('tpzed', 'bob')) };
  expect(bob.roles.length).toBe(MAX_ROLES);
  for (const order of [undefined, 'uuid']) {
    const scope = scopeOf('collections', { order }, bob, false);
    expect((await listRecords(db, COLLECTIONS, { order }, scope)).items).toEqual([]);
  }
  const links = createLinkStore(db, 'xedge', () => Date.now());
  expect((await links.list({ limit: 1000 }, bob)).items.length).toBe(150);
  const { sql } = newestFirst(bob, false, null);
  expect(sql.length).toBeLessThan(95_000);
  expect(await levelOf(db, bob, uuid('4zz18', 'deep'))).toBe('none');
});
