import type { Row } from './columns.ts';
import type { Condition } from './filters.ts';

/** A statement that deletes more could outlive D1's limit of 30 s and would block other requests meanwhile. */
const ROWS_PER_STATEMENT = 500;
/** One run stays far from D1's limit of 1,000 statements; the next run goes on. */
const STATEMENTS_PER_RUN = 40;

/**
 * Deletes the rows that meet a condition, which an index must serve, in batches.
 * @param onBatch gets the `returning` columns of each batch after it is deleted
 * @returns how many rows were deleted
 */
export async function deleteRows(
  db: D1Database,
  table: string,
  condition: Condition,
  {
    returning = '1',
    statements = STATEMENTS_PER_RUN,
    onBatch,
  }: { returning?: string; statements?: number; onBatch?: (rows: Row[]) => Promise<void> } = {},
): Promise<number> {
  const statement = db
    .prepare(
      `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${condition.sql} LIMIT ${ROWS_PER_STATEMENT}) RETURNING ${returning}`,
    )
    .bind(...condition.values);
  let deleted = 0;
  for (let run = 0; run < statements; run++) {
    const { results } = await statement.all<Row>();
    deleted += results.length;
    if (results.length > 0) await onBatch?.(results);
    if (results.length < ROWS_PER_STATEMENT) break;
  }
  return deleted;
}
