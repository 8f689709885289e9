import { env } from 'cloudflare:workers';
import { sqlStatements } from '../../../dev/sql-statements.ts';

const MIGRATIONS = (
  import.meta as unknown as {
    glob(pattern: string, options: object): Record<string, string>;
  }
).glob('../../../migrations/*.sql', { query: '?raw', import: 'default', eager: true });

/** The tests' D1 with the schema of this checkout. The tests of one file share it. */
export async function database(): Promise<D1Database> {
  const db = (env as unknown as { DB: D1Database }).DB;
  if ((await db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'users'").first()) !== null) return db;
  for (const [, sql] of Object.entries(MIGRATIONS).sort(([a], [b]) => (a < b ? -1 : 1))) {
    await db.batch(sqlStatements(sql).map((statement) => db.prepare(statement)));
  }
  return db;
}
