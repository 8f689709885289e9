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

/** Which rows of a table a request may see. */
export interface Scope {
  /** Common table expressions that the conditions refer to, without WITH RECURSIVE; none when missing. */
  ctes?: string;
  conditions: Condition[];
  /** Further SQL expressions to select; they are no columns of the table and come out as they are. */
  extra?: string[];
  /** Rows in the order that was asked for, read as far as the page goes; the count is made from the rest of the scope. */
  ordered?: { ctes: string; values: Condition['values']; from: string; conditions: Condition[] } | null;
}

/**
 * One page of a table's records that meet the client's filters and are in the scope (permissions).
 * @throws KeepError invalid_record (422) for invalid parameters
 */
export async function listRecords(
  db: D1Database,
  table: Table,
  parameters: ListParameters,
  scope: Scope,
): Promise<ListResult> {
  const filters = parseFilters(table, parameters.filters);
  const limit = Math.min(wholeNumber(parameters.limit, 'limit') ?? DEFAULT_LIMIT, MAX_LIMIT);
  const offset = wholeNumber(parameters.offset, 'offset') ?? 0;
  const columns = [...selectColumns(table, parameters.select), ...(scope.extra ?? [])];
  const select = `SELECT ${parameters.distinct === true ? 'DISTINCT ' : ''}${columns.join(', ')}`;
  const all = whereOf([...scope.conditions, ...filters]);
  const ctes = withOf(scope.ctes);
  const counted = wantsCount(parameters.count);
  const { ordered } = scope;
  const page =
    ordered === undefined || ordered === null
      ? {
          sql: `${ctes}${select} FROM ${table.name}${all.sql} ORDER BY ${orderBy(table, parameters.order)}`,
          values: all.values,
        }
      : inOrder(ordered, select, filters);
  const statements = [db.prepare(`${page.sql} LIMIT ? OFFSET ?`).bind(...page.values, limit, offset)];
  if (counted)
    statements.push(db.prepare(`${ctes}SELECT count(*) AS n FROM ${table.name}${all.sql}`).bind(...all.values));
  const [rows, total] = await db.batch<Row>(statements);
  const items = (rows?.results ?? []).map((row) => toRecord(table, row));
  return { items, offset, limit, ...(counted ? { items_available: Number(total?.results[0]?.n ?? 0) } : {}) };
}

function inOrder(
  { ctes, values, from, conditions }: NonNullable<Scope['ordered']>,
  select: string,
  filters: Condition[],
) {
  const where = whereOf([...conditions, ...filters]);
  return { sql: `${withOf(ctes)}${select} FROM ${from}${where.sql}`, values: [...values, ...where.values] };
}

function withOf(ctes: string | undefined): string {
  return ctes === undefined ? '' : `WITH RECURSIVE ${ctes} `;
}

/** @throws KeepError invalid_record for more values than a statement takes */
function whereOf(conditions: Condition[]): Condition {
  const values = conditions.flatMap((condition) => condition.values);
  if (values.length > MAX_VALUES)
    throw new KeepError('invalid_record', { message: 'the filters have too many operands' });
  const sql = conditions.map((condition) => `(${condition.sql})`).join(' AND ');
  return { sql: sql === '' ? '' : ` WHERE ${sql}`, values };
}
