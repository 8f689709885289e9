import type { Row } from '../records/columns.ts';

const COLUMNS = /^[a-z_0-9]+$/;

/** Columns that the table has now: backups may be older or newer than the schema. */
export async function columnsOf(db: D1Database, table: string): Promise<Set<string>> {
  const { results } = await db.prepare('SELECT name FROM pragma_table_info(?)').bind(table).all<{ name: string }>();
  return new Set(results.map(({ name }) => name));
}

/**
 * Inserts rows as they are, as JSON in one parameter. `guard` is trusted SQL over `value`, the row, with ?2 and on as its values.
 */
export function insertRows(
  db: D1Database,
  table: string,
  columns: ReadonlySet<string>,
  rows: readonly Row[],
  { conflict = 'OR IGNORE', guard = '1', values = [] }: { conflict?: string; guard?: string; values?: unknown[] } = {},
): D1PreparedStatement[] {
  const groups = Map.groupBy(rows, (row) =>
    Object.keys(row)
      .filter((name) => columns.has(name) && COLUMNS.test(name))
      .join(','),
  );
  return [...groups].map(([list, group]) => {
    const names = list.split(',');
    return db
      .prepare(
        `INSERT ${conflict} INTO ${table} (${names.join(', ')}) SELECT ${names.map((name) => `value ->> '$.${name}'`).join(', ')}
         FROM json_each(?1) WHERE ${guard}`,
      )
      .bind(JSON.stringify(group), ...values);
  });
}
