export interface SchemaState {
  /** Migrations of this version that were not applied. */
  missing: string[];
  /** Migrations that this version does not know: the database is that of a newer one. */
  newer: string[];
  /** When the first one was applied, RFC 3339; null when none was. */
  since: string | null;
}

/** Compares wrangler's table of applied migrations with this version's. */
export async function schemaState(db: D1Database, migrations: readonly string[]): Promise<SchemaState> {
  const { results } = await db
    .prepare('SELECT name, applied_at FROM d1_migrations ORDER BY id LIMIT 1000')
    .all<{ name: string; applied_at: string }>()
    .catch((error: unknown) => {
      if (error instanceof Error && error.message.includes('no such table')) return { results: [] };
      throw error;
    });
  const applied = new Set(results.map(({ name }) => name));
  const first = results[0]?.applied_at;
  return {
    missing: migrations.filter((name) => !applied.has(name)),
    newer: [...applied].filter((name) => !migrations.includes(name)),
    since: first === undefined ? null : `${first.replace(' ', 'T')}Z`,
  };
}
