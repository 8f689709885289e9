import { env } from 'cloudflare:workers';
import type { User } from '../../../src/accounts/account.ts';
import type { VersionSettings } from '../../../src/collections/versions.ts';

/** The tests' D1 with the schema of this checkout. The tests of one file share it. */
export async function database(): Promise<D1Database> {
  const { DB: db, MIGRATIONS } = env as unknown as { DB: D1Database; MIGRATIONS: string[] };
  if ((await db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'users'").first()) !== null) return db;
  await db.batch(MIGRATIONS.map((statement) => db.prepare(statement)));
  return db;
}

/** Without the records of a test. */
export async function emptyDatabase(db: D1Database): Promise<void> {
  for (const table of ['links', 'collections', 'groups', 'ancestors', 'users', 'search_pending'])
    await db.prepare(`DELETE FROM ${table}`).run();
}

/** The tests' search index, empty. */
export async function searchDatabase(): Promise<D1Database> {
  const { SEARCH: db, SEARCH_MIGRATIONS } = env as unknown as { SEARCH: D1Database; SEARCH_MIGRATIONS: string[] };
  if ((await db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'documents'").first()) === null)
    await db.batch(SEARCH_MIGRATIONS.map((statement) => db.prepare(statement)));
  return db;
}

/** The root token's user. */
export const ROOT: User = {
  uuid: 'xedge-tpzed-000000000000000',
  isAdmin: true,
  isActive: true,
  username: 'root',
  fullName: 'Root',
};

/** Keeps no past versions that were not asked for. */
export const NO_VERSIONS: VersionSettings = {
  automatic: false,
  idleSeconds: -1,
  maxAgeSeconds: { kept: 0, repacked: 0 },
};
