import { env } from 'cloudflare:workers';

/** The tests' D1 with the schema of this checkout. The tests of one file share it. */
export async function database(): Promise<D1Database> {
  const { DB: db, MIGRATIONS } = env as unknown as { DB: D1Database; MIGRATIONS: string[] };
  if ((await db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'users'").first()) !== null) return db;
  await db.batch(MIGRATIONS.map((statement) => db.prepare(statement)));
  return db;
}
