import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import type { User } from '../../../src/accounts/account.ts';
import { createLinkStore } from '../../../src/accounts/links.ts';
import { rolesOf } from '../../../src/accounts/memberships.ts';
import { createNearReads } from '../../../src/accounts/near-reads.ts';
import { scopeOf } from '../../../src/collections/scope.ts';
import { COLLECTIONS } from '../../../src/collections/tables.ts';
import { listRecords } from '../../../src/records/list-query.ts';
import { id, OWNER, ROOT_PROJECT, SMALL_OWNER, seedRecords } from '../../support/many-records.ts';
import { database, emptyDatabase } from '../support/database.ts';

/**
 * The local simulator has no replicas. This stands in for one by D1's rules: a session may be served by a copy that has all
 * changes up to some point, in order, and says so in `meta`.
 */
function withReplica(primary: D1Database, replica: D1Database): D1Database {
  const session = () => ({
    prepare: (sql: string) => replica.prepare(sql),
    batch: async (statements: D1PreparedStatement[]) =>
      (await replica.batch(statements)).map((result) => ({
        ...result,
        meta: { ...result.meta, served_by_primary: false },
      })),
  });
  return {
    prepare: (sql: string) => primary.prepare(sql),
    batch: (statements: D1PreparedStatement[]) => primary.batch(statements),
    withSession: session,
  } as unknown as D1Database;
}

let primary: D1Database;
let replica: D1Database;
let now: number;
const TTL_SECONDS = 60;
const COPIED = ['users', 'groups', 'collections', 'links', 'permission_epoch'];

/** The replica catches up. Its triggers would count on by themselves, so the epoch comes last. */
async function replicate(): Promise<void> {
  await replica.batch([...COPIED, 'ancestors'].map((table) => replica.prepare(`DELETE FROM ${table}`)));
  for (const table of [...COPIED.slice(0, -1), 'permission_epoch']) {
    const { results } = await primary.prepare(`SELECT * FROM ${table}`).all();
    if (table === 'permission_epoch') await replica.prepare('DELETE FROM permission_epoch').run();
    for (const row of results) {
      const names = Object.keys(row);
      await replica
        .prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
        .bind(...Object.values(row))
        .run();
    }
  }
}

beforeEach(async () => {
  now = Date.now();
  primary = await database();
  const { REPLICA, MIGRATIONS } = env as unknown as { REPLICA: D1Database; MIGRATIONS: string[] };
  replica = REPLICA;
  if ((await replica.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'users'").first()) === null)
    await replica.batch(MIGRATIONS.map((statement) => replica.prepare(statement)));
  await emptyDatabase(primary);
  await seedRecords(primary, 20);
});

const userOf = async (uuid: string): Promise<User> => ({
  uuid,
  isAdmin: false,
  isActive: true,
  username: '',
  fullName: '',
  roles: await rolesOf(primary, uuid),
  seesUsers: true,
});

describe('lists from replicas', () => {
  const setUp = () => createNearReads(withReplica(primary, replica), TTL_SECONDS, () => now);
  const names = (near: ReturnType<typeof setUp>, user: User) =>
    near.read(async (db) => {
      const { items } = await listRecords(
        db,
        COLLECTIONS,
        { order: 'name' },
        scopeOf('collections', { order: 'name' }, user, false),
      );
      return items.map(({ name }) => name);
    });

  test('may lag with names, but not with permissions that were taken away', async () => {
    const owner = await userOf(OWNER);
    const links = createLinkStore(primary, 'xedge', () => now);
    const grant = { link_class: 'permission', name: 'can_read', tail_uuid: SMALL_OWNER, head_uuid: ROOT_PROJECT };
    const link = await links.create(grant, owner);
    await replicate();
    const small = await userOf(SMALL_OWNER);
    const [near, other] = [setUp(), setUp()];
    const before = await names(near, small);
    expect(before.length).toBeGreaterThan(5);
    expect(await names(other, small)).toEqual(before);
    // A new name comes when the replica has it.
    await primary.prepare("UPDATE collections SET name = 'aa renamed' WHERE uuid = ?").bind(id('4zz18', 1)).run();
    expect(await names(near, small)).toEqual(before);
    await replicate();
    expect((await names(near, small))[0]).toBe('aa renamed');
    await links.delete(String(link.uuid), owner);
    // The isolate that was told answers by it at once, others within the time that they remember tokens.
    near.changed();
    expect(await names(near, small)).toHaveLength(5);
    now += TTL_SECONDS * 1000 + 1;
    expect(await names(other, small)).toHaveLength(5);
    expect(await names(near, small)).toHaveLength(5);
    await replicate();
    expect(await names(other, small)).toHaveLength(5);
  });

  test.each([
    ['a project was trashed', 'UPDATE groups SET trash_at = modified_at WHERE uuid = ?', ROOT_PROJECT],
    ['a project was moved away', `UPDATE groups SET owner_uuid = '${SMALL_OWNER}' WHERE uuid = ?`, ROOT_PROJECT],
    ['a collection was trashed', 'UPDATE collections SET trash_at = modified_at WHERE uuid = ?', id('4zz18', 1)],
    [
      'a collection was moved away',
      `UPDATE collections SET owner_uuid = '${SMALL_OWNER}' WHERE uuid = ?`,
      id('4zz18', 1),
    ],
    ['a collection was deleted', 'DELETE FROM collections WHERE uuid = ?', id('4zz18', 1)],
  ])('are read again from the primary database where %s', async (_, sql, uuid) => {
    await replicate();
    const owner = await userOf(OWNER);
    const near = setUp();
    expect(await names(near, owner)).toContain('sample 1');
    await primary.prepare(sql).bind(uuid).run();
    now += TTL_SECONDS * 1000 + 1;
    expect(await names(near, owner)).not.toContain('sample 1');
  });
});
