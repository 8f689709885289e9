import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, test } from 'vitest';
import type { User } from '../../../src/accounts/account.ts';
import { createLinkStore } from '../../../src/accounts/links.ts';
import { rolesOf } from '../../../src/accounts/memberships.ts';
import { levelOf } from '../../../src/accounts/permissions.ts';
import { createCollections } from '../../../src/collections/collections.ts';
import { createGroups } from '../../../src/collections/groups.ts';
import { findingScope } from '../../../src/collections/scope.ts';
import { COLLECTIONS } from '../../../src/collections/tables.ts';
import { COUNT_BOUND } from '../../../src/records/list-parameters.ts';
import { listRecords } from '../../../src/records/list-query.ts';
import { id, MEMBER, OWNER, ROLE, ROOT_PROJECT, SMALL_OWNER, seedRecords } from '../../support/many-records.ts';
import { measuredDatabase } from '../../support/measured-database.ts';
import { database, emptyDatabase, NO_VERSIONS } from '../support/database.ts';

afterEach(async () => emptyDatabase(await database()));

/** Aims, in rows read: one record, whatever the way to it, and a page of a hundred. */
const MAX_RECORD_ROWS = 20;
const MAX_PAGE_ROWS = 1000;
const NO_INDEX = { candidates: async () => null };

type Work = [name: string, work: () => Promise<unknown>];

/** What is done with so many collections, by each kind of user. */
async function verbs(
  plain: D1Database,
  db: D1Database,
  collections: number,
): Promise<{ byUuid: Work[]; lists: Work[] }> {
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
  const owner = await userOf(plain, OWNER);
  const users = { owner, member: await userOf(plain, MEMBER), admin: await userOf(plain, id('tpzed', 0), true) };
  const some = id('4zz18', Math.floor(collections / 2));
  const inside = [['owner_uuid', '=', id('j7d0g', 2)]];
  const byUuid = Object.entries(users).flatMap(([name, user]): Work[] => [
    [`get by ${name}`, () => store.find(some, user)],
    [`get project by ${name}`, () => groups.get(ROOT_PROJECT, user)],
    [`level of ${name}`, () => levelOf(db, user, some)],
  ]);
  const lists = Object.entries(users).flatMap(([name, user]): Work[] => [
    [`page for ${name}`, () => list(db, user, {})],
    [`page of a project for ${name}`, () => list(db, user, { filters: inside })],
  ]);
  const small = await userOf(plain, SMALL_OWNER);
  let made = '';
  const grant = { link_class: 'permission', name: 'can_read', tail_uuid: ROLE, head_uuid: some };
  byUuid.push(
    [
      'update',
      () => store.update(some, { attributes: { description: 'x' }, manifest: null }, { user: owner, tokenUuid: null }),
    ],
    ['share', async () => (made = String((await links.create(grant, owner)).uuid))],
    ['revoke', () => links.delete(made, owner)],
  );
  return { byUuid, lists: [...lists, ['page for who owns little', () => list(db, small, {})]] };
}

async function userOf(db: D1Database, uuid: string, isAdmin = false): Promise<User> {
  return { uuid, isAdmin, isActive: true, username: '', fullName: '', roles: await rolesOf(db, uuid) };
}

async function list(db: D1Database, user: User, parameters: object) {
  const scope = await findingScope({ db, search: NO_INDEX }, 'collections', parameters, user, false);
  return listRecords(db, COLLECTIONS, { count: 'none', ...parameters }, scope);
}

/** Rows that each verb reads. */
async function costs(collections: number, apart: boolean) {
  const plain = await database();
  await seedRecords(plain, collections, apart);
  const { db, cost, reset } = measuredDatabase(plain);
  const measure = async (works: Work[]) => {
    const rows: Record<string, number> = {};
    for (const [name, work] of works) {
      reset();
      await work();
      rows[name] = cost.rowsRead;
    }
    return rows;
  };
  const { byUuid, lists } = await verbs(plain, db, collections);
  return { byUuid: await measure(byUuid), lists: await measure(lists) };
}

describe('what permissions cost', () => {
  test.each([
    { apart: false, page: MAX_PAGE_ROWS },
    // Records that follow each other in time are in different projects, and there are 44 of these at the top.
    { apart: true, page: 1.1 * MAX_PAGE_ROWS },
  ])('does not grow with what there is ($apart)', async ({ apart, page }) => {
    const few = await costs(1000, apart);
    await emptyDatabase(await database());
    const many = await costs(20_000, apart);
    for (const [verb, rows] of Object.entries(many.byUuid)) {
      expect(rows, verb).toBeLessThanOrEqual(1.5 * (few.byUuid[verb] ?? 0));
      if (/^(get|level)/.test(verb)) expect(rows, verb).toBeLessThanOrEqual(MAX_RECORD_ROWS);
    }
    for (const [name, rows] of Object.entries(many.lists)) expect(rows, name).toBeLessThanOrEqual(page);
  });

  test('stays within its aim where a role reaches a record through three projects, shared with others as well', async () => {
    const plain = await database();
    await seedRecords(plain, 1000);
    const [outer, middle, inner] = [1, 2, 3].map((number) => id('j7d0g', 800_000_000 + number));
    const time = '2026-01-01T00:00:00.000000000Z';
    const project = (uuid: string, owner: string) =>
      plain
        .prepare(
          `INSERT INTO groups (uuid, owner_uuid, name, created_at, modified_at, modified_by_user_uuid) VALUES (?, ?, 'p', '${time}', '${time}', ?)`,
        )
        .bind(uuid, owner, OWNER)
        .run();
    for (const [uuid = '', owner = ''] of [
      [outer, OWNER],
      [middle, outer],
      [inner, middle],
    ])
      await project(uuid, owner);
    await plain
      .prepare(
        `INSERT INTO collections (uuid, owner_uuid, portable_data_hash, manifest_inline, manifest_bytes, file_count, file_size_total, created_at, modified_at, modified_by_user_uuid)
         VALUES (?, ?, 'x', '', 0, 0, 0, '${time}', '${time}', ?)`,
      )
      .bind(id('4zz18', 800_000_000), inner, OWNER)
      .run();
    const links = createLinkStore(plain, 'xedge', Date.now);
    const owner = { ...(await userOf(plain, OWNER)), seesUsers: true };
    for (const [tail_uuid, name] of [
      [ROLE, 'can_write'],
      [SMALL_OWNER, 'can_read'],
    ])
      await links.create({ link_class: 'permission', name, tail_uuid, head_uuid: outer } as object, owner);
    const member = await userOf(plain, MEMBER);
    const { db, cost, reset } = measuredDatabase(plain);
    const { MANIFESTS } = env as unknown as { MANIFESTS: R2Bucket };
    const setup = {
      db,
      manifests: MANIFESTS,
      clusterId: 'xedge',
      defaultStorageClasses: [],
      trashLifetimeSeconds: 1e6,
    };
    const store = createCollections({ ...setup, versions: NO_VERSIONS, now: Date.now });
    reset();
    // The membership is can_read, which narrows the role's can_write.
    expect((await store.find(id('4zz18', 800_000_000), member)).level).toBe('read');
    expect(cost.rowsRead).toBeLessThanOrEqual(MAX_RECORD_ROWS);
  });

  test('is a look-up in an index at each step, never a scan of a table', async () => {
    const plain = await database();
    await seedRecords(plain, 2000);
    const { db, statements } = recorded(plain);
    const { byUuid, lists } = await verbs(plain, db, 2000);
    for (const [name, work] of [...byUuid, ...lists]) {
      statements.length = 0;
      await work();
      for (const { sql, values } of statements) {
        const { results } = await plain
          .prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .bind(...values)
          .all<{ detail: string }>();
        const scans = results.map(({ detail }) => detail).filter((detail) => SCAN.test(detail));
        expect(scans, `${name}: ${sql}`).toEqual([]);
      }
    }
  });
});

/** A look through a table; what follows an index in its order as far as a page goes is none, and trashed projects are few. */
const SCAN =
  /^SCAN (links|users|tokens|ancestors|(collections|groups)(?! USING (COVERING )?INDEX \w+_(modified|created|trashed)))\b/;

interface Recorded {
  sql: string;
  values: unknown[];
}

/** A D1Database that keeps what it was asked. */
function recorded(plain: D1Database): { db: D1Database; statements: Recorded[] } {
  const statements: Recorded[] = [];
  const prepare = (sql: string) => {
    const statement = plain.prepare(sql);
    const bind = statement.bind.bind(statement);
    const entry: Recorded = { sql, values: [] };
    statements.push(entry);
    statement.bind = (...values: unknown[]) => {
      entry.values = values;
      return bind(...values);
    };
    return statement;
  };
  return { db: { prepare, batch: plain.batch.bind(plain) } as unknown as D1Database, statements };
}

describe('a list', () => {
  test('in the order of creation is paged through by key, and shows every record once', async () => {
    const plain = await database();
    await seedRecords(plain, 3000, true);
    await plain
      .prepare(
        "UPDATE collections SET created_at = strftime('%Y-%m-%dT%H:%M:%f000000Z', 1767225600 + rowid / 3, 'unixepoch')",
      )
      .run();
    for (const uuid of [OWNER, MEMBER]) {
      const user = await userOf(plain, uuid);
      const { db, cost, reset } = measuredDatabase(plain);
      const seen: string[] = [];
      let [time, last] = ['0001-01-01', ''];
      for (;;) {
        reset();
        const filters = [['created_at', '>=', time]];
        const page = await list(db, user, { filters, order: ['created_at asc', 'uuid asc'], limit: 100 });
        // One look at how much there is, and a hundred records that are judged one by one.
        expect(cost.rowsRead).toBeLessThanOrEqual(400 + 100 * 25);
        const fresh = page.items.map((item) => String(item.uuid)).filter((item) => !seen.slice(-100).includes(item));
        if (fresh.length === 0) break;
        seen.push(...fresh);
        const { created_at, uuid: end } = page.items.at(-1) ?? {};
        [time, last] = [String(created_at), String(end)];
      }
      expect(last).not.toBe('');
      const all = await plain
        .prepare("SELECT uuid FROM collections WHERE uuid NOT LIKE '%-9%' ORDER BY created_at, uuid")
        .all<{ uuid: string }>();
      expect(seen).toEqual(all.results.map((row) => row.uuid));
    }
  });

  test('counts exactly up to a bound, and says beyond it that there is more', async () => {
    const plain = await database();
    await seedRecords(plain, COUNT_BOUND + 2000);
    const owner = await userOf(plain, OWNER);
    const admin = await userOf(plain, id('tpzed', 0), true);
    const small = await userOf(plain, SMALL_OWNER);
    const { db, cost, reset } = measuredDatabase(plain);
    expect((await list(db, small, { count: 'exact' })).items_available).toBe(5);
    for (const user of [owner, admin]) {
      reset();
      const first = await list(db, user, { count: 'exact', limit: 10 });
      expect(first.items_available).toBe(COUNT_BOUND + 1);
      expect(cost.rowsRead).toBeLessThanOrEqual(5 * COUNT_BOUND);
      // Clients that go on until they have so many get them all.
      const late = await list(db, user, { count: 'exact', limit: 10, offset: COUNT_BOUND + 1000 });
      expect(late.items_available).toBe(COUNT_BOUND + 1011);
      const last = await list(db, user, { count: 'exact', limit: 1000, offset: COUNT_BOUND + 1900 });
      expect(last.items_available).toBe(COUNT_BOUND + 1900 + last.items.length);
      reset();
      expect(await list(db, user, { count: 'none', limit: 10 })).not.toHaveProperty('items_available');
      expect(cost.rowsRead).toBeLessThanOrEqual(MAX_PAGE_ROWS);
    }
  });
});
