import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { User } from '../../../src/accounts/account.ts';
import { findingScope } from '../../../src/collections/scope.ts';
import { COLLECTIONS } from '../../../src/collections/tables.ts';
import { listRecords } from '../../../src/records/list-query.ts';
import { createSearch, type Search } from '../../../src/search/search.ts';
import { id, OWNER, SMALL_OWNER, seedRecords } from '../../support/many-records.ts';
import { measuredDatabase } from '../../support/measured-database.ts';
import { database, emptyDatabase, searchDatabase } from '../support/database.ts';

let db: D1Database;
let index: D1Database;
let search: Search;
/** What the service would do after a request. */
let later: Promise<unknown>[];
let now: number;

beforeEach(async () => {
  db = await database();
  index = await searchDatabase();
  later = [];
  now = Date.now();
  search = createSearch(
    db,
    index,
    () => now,
    (work) => later.push(work),
  );
});
afterEach(async () => {
  await Promise.all(later);
  await search.restart();
  await emptyDatabase(db);
});

const ADMIN: User = { uuid: id('tpzed', 0), isAdmin: true, isActive: true, username: '', fullName: '' };
const userOf = (uuid: string): User => ({ ...ADMIN, uuid, isAdmin: false });

async function found(filters: unknown, user = ADMIN): Promise<string[]> {
  const scope = await findingScope({ db, search }, 'collections', { filters }, user, false);
  const { items } = await listRecords(db, COLLECTIONS, { filters, count: 'none' }, scope);
  return items.map(({ name }) => String(name));
}

const names = (text: string) => [['any', 'ilike', `%${text}%`]];
const rename = (number: number, name: string) =>
  db
    .prepare("UPDATE collections SET name = ?, modified_at = '2026-06-01T00:00:00.000000000Z' WHERE uuid = ?")
    .bind(name, id('4zz18', number))
    .run();
const isUsed = async (text: string) => (await search.candidates('collections', names(text))) !== null;

describe('the search index', () => {
  test('finds by names, descriptions, properties and file names, whatever the case', async () => {
    await seedRecords(db, 20);
    const set = (number: number, column: string, value: string) =>
      db.prepare(`UPDATE collections SET ${column} = ? WHERE uuid = ?`).bind(value, id('4zz18', number)).run();
    await set(1, 'description', 'Taken from the Whale');
    await set(2, 'properties', '{"organism": "whale", "batch": "b\\"17"}');
    await set(3, 'file_names', 'a/WHALE.bam\nb.txt');
    await set(4, 'name', 'whale 4');
    await search.work();
    expect(await isUsed('whale')).toBe(true);
    expect((await found(names('wHALe'))).sort()).toEqual(['sample 1', 'sample 2', 'sample 3', 'whale 4']);
    expect(await found([['properties.organism', '=', 'whale']])).toEqual(['sample 2']);
    expect(await found([['properties.batch', '=', 'b"17']])).toEqual(['sample 2']);
    expect(await found([['name', '=', 'whale 4']])).toEqual(['whale 4']);
    expect(await found([['file_names', 'ilike', '%whale.bam%']])).toEqual(['sample 3']);
    expect(await found([['name', 'like', 'wh%le_4']])).toEqual(['whale 4']);
    expect(await found(names('whale of'))).toEqual([]);
  });

  test('shows only what the user may read', async () => {
    await seedRecords(db, 20);
    await search.work();
    expect(await found(names('sample 1'), userOf(SMALL_OWNER))).toEqual([]);
    expect((await found(names('own'), userOf(SMALL_OWNER))).length).toBe(5);
    expect(await found(names('sample 3'), userOf(OWNER))).toEqual(['sample 3']);
  });

  test('misses nothing that changed after it was written, before and after it catches up', async () => {
    await seedRecords(db, 20);
    await search.work();
    await rename(7, 'renamed to Narwhal');
    expect(await isUsed('narwhal')).toBe(true);
    expect(await found(names('narwhal'))).toEqual(['renamed to Narwhal']);
    expect(await found(names('sample 7'))).toEqual([]);
    await Promise.all(later);
    await search.work();
    // As if a replica of the index did not have it yet.
    await index.prepare('DELETE FROM documents WHERE uuid = ?').bind(id('4zz18', 7)).run();
    expect(await found(names('narwhal'))).toEqual(['renamed to Narwhal']);
    await rename(7, 'narwhal again');
    await search.work();
    now += 3_600_000;
    await search.keepUp();
    expect((await db.prepare('SELECT count(*) AS n FROM search_pending').first<{ n: number }>())?.n).toBe(0);
    expect(await found(names('narwhal'))).toEqual(['narwhal again']);
    await db.prepare('DELETE FROM collections WHERE uuid = ?').bind(id('4zz18', 7)).run();
    await search.work();
    const { n } = (await index
      .prepare('SELECT count(*) AS n FROM documents WHERE uuid = ?')
      .bind(id('4zz18', 7))
      .first<{ n: number }>()) ?? { n: -1 };
    expect(n).toBe(0);
  });

  test('never writes an older state over a newer one', async () => {
    await seedRecords(db, 2);
    await search.work();
    await rename(1, 'older state');
    const slow = createSearch(
      // Another isolate, which has read the record before the next change and writes it afterwards.
      delayed(db, async () => {
        await rename(1, 'newer state');
        await search.work();
      }),
      index,
      () => now,
      () => {},
    );
    await slow.work();
    now += 3_600_000;
    await search.keepUp();
    expect(await found(names('newer state'))).toEqual(['newer state']);
  });

  test('is not used until it is complete, and while it is rebuilt, which loses nothing', async () => {
    await seedRecords(db, 1200);
    expect(await isUsed('sample 11')).toBe(false);
    expect((await found(names('sample 11'))).length).toBe(100);
    await Promise.all(later);
    while (await search.work());
    expect(await isUsed('sample 119')).toBe(true);
    await search.restart();
    expect(await isUsed('sample 119')).toBe(false);
    expect((await found(names('sample 119'))).length).toBe(11);
    while (await search.work());
    expect(await isUsed('sample 119')).toBe(true);
    expect((await found(names('sample 119'))).length).toBe(11);
  });

  test('is left aside for a text of two characters, and for what nearly everything contains', async () => {
    await seedRecords(db, 2100);
    while (await search.work());
    now += 3_600_000;
    await search.keepUp();
    expect(await isUsed('sa')).toBe(false);
    expect(await isUsed('sample')).toBe(false);
    expect((await found(names('sample'))).length).toBe(100);
  });

  test('lets a search read as many rows as it finds, not as many as there are', async () => {
    const rows = async (collections: number) => {
      await seedRecords(db, collections);
      while (await search.work());
      now += 3_600_000;
      await search.keepUp();
      const { db: measured, cost } = measuredDatabase(db);
      const other = createSearch(
        measured,
        index,
        () => now,
        () => {},
      );
      const filters = names('sample 777');
      const scope = await findingScope(
        { db: measured, search: other },
        'collections',
        { filters },
        userOf(OWNER),
        false,
      );
      const { items } = await listRecords(measured, COLLECTIONS, { filters, count: 'none' }, scope);
      expect(items.length).toBeGreaterThan(0);
      return cost.rowsRead / items.length;
    };
    const few = await rows(1000);
    await search.restart();
    await emptyDatabase(db);
    expect(await rows(10_000)).toBeLessThanOrEqual(1.5 * few);
  });
});

/** A database in which the first SELECT of changed records takes a while. */
function delayed(plain: D1Database, meanwhile: () => Promise<void>): D1Database {
  let once = true;
  return {
    prepare(sql: string) {
      const statement = plain.prepare(sql);
      if (!once || !sql.includes('search_pending_waiting') || !sql.startsWith('SELECT seq')) return statement;
      once = false;
      return {
        all: async () => {
          const rows = await statement.all();
          await meanwhile();
          return rows;
        },
      };
    },
  } as unknown as D1Database;
}
