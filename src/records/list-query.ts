import { KeepError } from '../keep/errors.ts';
import { type Row, type Table, toRecord } from './columns.ts';
import { type Condition, parseFilters } from './filters.ts';
import { orderBy, selectColumns, wantsCount, wholeNumber } from './list-parameters.ts';

/** Parameters of a list request, unchecked. */
export interface ListParameters {
  filters?: unknown;
  order?: unknown;
  select?: unknown;
  limit?: unknown;
  offset?: unknown;
  count?: unknown;
  distinct?: unknown;
}

export interface ListResult {
  items: Row[];
  offset: number;
  limit: number;
  /** Missing with `count=none`. */
  items_available?: number;
}

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1000;
/** D1 allows 100 parameters a statement; limit and offset are two. */
const MAX_VALUES = 98;

/**
 * One page of a table's records that meet the client's filters and the given conditions (permissions).
 * @throws KeepError invalid_record (422) for invalid parameters
 */
export async function listRecords(
  db: D1Database,
  table: Table,
  parameters: ListParameters,
  conditions: Condition[],
): Promise<ListResult> {
  const all = [...conditions, ...parseFilters(table, parameters.filters)];
  const where = all.length === 0 ? '' : ` WHERE ${all.map((condition) => `(${condition.sql})`).join(' AND ')}`;
  const values = all.flatMap((condition) => condition.values);
  if (values.length > MAX_VALUES)
    throw new KeepError('invalid_record', { message: 'the filters have too many operands' });
  const limit = Math.min(wholeNumber(parameters.limit, 'limit') ?? DEFAULT_LIMIT, MAX_LIMIT);
  const offset = wholeNumber(parameters.offset, 'offset') ?? 0;
  const columns = selectColumns(table, parameters.select);
  const distinct = parameters.distinct === true ? 'DISTINCT ' : '';
  const statements = [
    db
      .prepare(
        `SELECT ${distinct}${columns.join(', ')} FROM ${table.name}${where} ORDER BY ${orderBy(table, parameters.order)} LIMIT ? OFFSET ?`,
      )
      .bind(...values, limit, offset),
  ];
  const counted = wantsCount(parameters.count);
  if (counted) statements.push(db.prepare(`SELECT count(*) AS n FROM ${table.name}${where}`).bind(...values));
  const [rows, total] = await db.batch<Row>(statements);
  const items = (rows?.results ?? []).map((row) => toRecord(table, row));
  return { items, offset, limit, ...(counted ? { items_available: Number(total?.results[0]?.n ?? 0) } : {}) };
}
