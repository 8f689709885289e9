import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, test } from 'vitest';
import type { User } from '../../../src/accounts/account.ts';
import { createLinkStore } from '../../../src/accounts/links.ts';
import { rolesOf } from '../../../src/accounts/memberships.ts';
import { levelFor } from '../../../src/accounts/permission-sql.ts';
import { levelOf } from '../../../src/accounts/permissions.ts';
import { notTrashed, readableRow } from '../../../src/accounts/readable-sql.ts';
import { createCollections } from '../../../src/collections/collections.ts';
import { createGroups } from '../../../src/collections/groups.ts';
import { scopeOf } from '../../../src/collections/scope.ts';
import { COLLECTIONS } from '../../../src/collections/tables.ts';
import { listRecords } from '../../../src/records/list-query.ts';
import { id, MEMBER, OWNER, ROLE, ROOT_PROJECT, SMALL_OWNER, seedRecords } from '../../support/many-records.ts';
import { measuredDatabase } from '../../support/measured-database.ts';
import { database, emptyDatabase, NO_VERSIONS } from '../support/database.ts';

const empty = async () => emptyDatabase(await database());
afterEach(empty);

type Costs = Record<string, number>;

/** Rows that each verb reads for each kind of user, with so many collections. */
async function costs(collections: number, apart: boolean): Promise<{ byUuid: Costs; lists: Costs }> {
  const plain = await database();
  await seedRecords(plain, collections, apart);
  const { db, cost, reset } = measuredDatabase(plain);
  const now = () => Date.now();
  const { MANIFESTS } = env as unknown as { MANIFESTS: R2Bucket };
  const setup = {
    db,
    manifests: MANIFESTS,
    clusterId: 'xedge',
    defaultStorageClasses: [],
    versions: NO_VERSIONS,
    trashLifetimeSeconds: 1e6,
    now,
  };
  const [store, groups, links] = [createCollections(setup), createGroups(setup), createLinkStore(db, 'xedge', now)];
  const userOf = async (uuid: string, isAdmin = false): Promise<User> => ({
    uuid,
    isAdmin,
    isActive: true,
    username: '',
    fullName: '',
    roles: await rolesOf(plain, uuid),
  });
  const owner = await userOf(OWNER);
  const users = { owner, member: await userOf(MEMBER), admin: await userOf(id('tpzed', 0), true) };
  const byUuid: Costs = {};
  const lists: Costs = {};
  const measure = async (into: Costs, name: string, work: () => Promise<unknown>) => {
    reset();
    await work();
    into[name] = cost.rowsRead;
  };
  const some = id('4zz18', Math.floor(collections / 2));
  const list = (user: User, parameters: object) =>
    listRecords(db, COLLECTIONS, { count: 'none', ...parameters }, scopeOf('collections', parameters, user, false));
  for (const [name, user] of Object.entries(users)) {
    await measure(byUuid, `get by ${name}`, () => store.find(some, user));
    await measure(byUuid, `get project by ${name}`, () => groups.get(ROOT_PROJECT, user));
    await measure(byUuid, `level of ${name}`, () => levelOf(db, user, some));
    await measure(lists, `page for ${name}`, () => list(user, {}));
    await measure(lists, `page of a project for ${name}`, () =>
      list(user, { filters: [['owner_uuid', '=', id('j7d0g', 2)]] }),
    );
  }
  await measure(byUuid, 'update', () =>
    store.update(some, { attributes: { description: 'x' }, manifest: null }, owner),
  );
  const grant = { link_class: 'permission', name: 'can_read', tail_uuid: SMALL_OWNER, head_uuid: ROOT_PROJECT };
  let made = '';
  await measure(byUuid, 'share', async () => {
    made = String((await links.create({ ...grant, tail_uuid: ROLE, head_uuid: some }, owner)).uuid);
  });
  await measure(byUuid, 'revoke', () => links.delete(made, owner));
  const small = await userOf(SMALL_OWNER);
  await measure(lists, 'page for who owns little', () => list(small, {}));
  return { byUuid, lists };
}

describe('what permissions cost', () => {
  test.each([
    { apart: false, page: 1800 },
    // Nearly thirty rows for each record that is shown, each in a project of its own.
    { apart: true, page: 3000 },
  ])('does not grow with what there is ($apart)', async ({ apart, page }) => {
    const few = await costs(1000, apart);
    await empty();
    const many = await costs(20_000, apart);
    for (const [verb, rows] of Object.entries(many.byUuid)) {
      expect(rows, verb).toBeLessThanOrEqual(1.5 * (few.byUuid[verb] ?? 0));
      if (verb.startsWith('get')) expect(rows, verb).toBeLessThanOrEqual(30);
    }
    for (const [list, rows] of Object.entries(many.lists)) expect(rows, list).toBeLessThanOrEqual(page);
  });

  test('is a look-up in an index at each step, never a scan', async () => {
    const db = await database();
    await seedRecords(db, 100);
    const user: User = {
      uuid: MEMBER,
      isAdmin: false,
      isActive: true,
      username: '',
      fullName: '',
      roles: await rolesOf(db, MEMBER),
    };
    for (const table of ['collections', 'groups'] as const) {
      const conditions = [...readableRow(table, user), notTrashed(table)].map(({ sql }) => `(${sql})`);
      const { results } = await db
        .prepare(
          `EXPLAIN QUERY PLAN SELECT ${levelFor(table, user)} FROM ${table} WHERE uuid = ? AND ${conditions.join(' AND ')}`,
        )
        .bind(id('4zz18', 1))
        .all<{ detail: string }>();
      const scans = results
        .map(({ detail }) => detail)
        .filter((detail) => /^SCAN (?!node|CONSTANT|trashed USING COVERING INDEX groups_trashed)/.test(detail));
      expect(scans, table).toEqual([]);
    }
  });
});
