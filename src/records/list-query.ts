import { KeepError } from '../keep/errors.ts';
import { columnOf, type Row, type Table, toRecord } from './columns.ts';
import { type Condition, parseFilters } from './filters.ts';
import { COUNT_BOUND, orderBy, selectColumns, selectNames, wantsCount, wholeNumber } from './list-parameters.ts';

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
  /** Rows asked for, or those that came where the page was cut short for its bytes: the next offset follows them. */
  limit: number;
  /** Missing with `count=none`. Exact up to COUNT_BOUND; beyond that at least so many, and more than were shown while there are more. */
  items_available?: number;
}

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1000;
/** D1 allows 100 parameters a statement; limit and offset are two. */
const MAX_VALUES = 98;
/** Long texts of one page. A record takes several times its bytes while it is parsed and written as JSON. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** A page of so few rows is bounded by the length limits of their attributes. */
const ROWS_OF_ANY_SIZE = 10;
const LONG_TYPES: ReadonlySet<string> = new Set(['object', 'array']);
const LONG_TEXTS: ReadonlySet<string> = new Set(['description', 'summary']);

/** The methods of a D1Database that lists use: a session of it has them, too. */
export type ReadDatabase = Pick<D1Database, 'prepare' | 'batch'>;

/** Which rows of a table a request may see. */
export interface Scope {
  /** Common table expressions that the conditions refer to, without WITH RECURSIVE; none when missing. */
  ctes?: string;
  conditions: Condition[];
  /** Further SQL expressions to select; they are no columns of the table and come out as they are. */
  extra?: string[];
  /** Rows in the order that was asked for, read as far as the page goes; the count is made from the rest of the scope. */
  ordered?: {
    ctes?: string;
    values: Condition['values'];
    from: string;
    conditions: Condition[];
    /** In the place of the scope's. */
    extra?: string[];
    /** Where `from` does not come in order by itself: ORDER BY terms that an index serves. */
    order?: string;
  } | null;
  /** SQL that is true when the conditions leave some rows out, which only the count may do. */
  isCut?: string;
  /** Count beyond COUNT_BOUND, too. */
  countAll?: boolean;
}

/**
 * One page of a table's records that meet the client's filters and are in the scope (permissions).
 * @throws KeepError invalid_record (422) for invalid parameters
 */
export async function listRecords(
  db: ReadDatabase,
  table: Table,
  parameters: ListParameters,
  scope: Scope,
): Promise<ListResult> {
  const filters = parseFilters(table, parameters.filters);
  const asked = wholeNumber(parameters.limit, 'limit') ?? DEFAULT_LIMIT;
  const offset = wholeNumber(parameters.offset, 'offset') ?? 0;
  const { ordered } = scope;
  const extra = ordered?.extra ?? scope.extra ?? [];
  const distinct = parameters.distinct === true;
  const columns = selectColumns(table, parameters.select);
  const texts = longTexts(table, parameters.select);
  const limit = Math.min(asked, texts.length > 0 && distinct ? ROWS_OF_ANY_SIZE : MAX_LIMIT);
  const isSized = texts.length > 0 && limit > ROWS_OF_ANY_SIZE;
  const selected = isSized ? withSizes(table, columns, texts, Math.floor(MAX_PAGE_BYTES / limit)) : columns;
  const select = `SELECT ${distinct ? 'DISTINCT ' : ''}${[...selected, ...extra].join(', ')}`;
  const all = whereOf([...scope.conditions, ...filters]);
  const ctes = withOf(scope.ctes);
  const counted = wantsCount(parameters.count);
  const page =
    ordered === undefined || ordered === null
      ? {
          sql: `${ctes}${select} FROM ${table.name}${all.sql} ORDER BY ${orderBy(table, parameters.order)}`,
          values: all.values,
        }
      : inOrder(ordered, select, filters);
  const statements = [db.prepare(`${page.sql} LIMIT ? OFFSET ?`).bind(...page.values, limit, offset)];
  if (counted) {
    const bound = scope.countAll === true ? '' : ` LIMIT ${COUNT_BOUND + 1}`;
    const sql = `${ctes}SELECT count(*) AS n, ${scope.isCut ?? '0'} AS is_cut FROM (SELECT 1 FROM ${table.name}${all.sql}${bound})`;
    statements.push(db.prepare(sql).bind(...all.values));
  }
  const [rows, total] = await db.batch<Row>(statements);
  const found = rows?.results ?? [];
  const shown = isSized ? await withinBytes(db, table, table.key === undefined ? '' : ctes, texts, found) : found;
  const items = shown.map(({ page_row: _, row_bytes: __, ...row }) => toRecord(table, row));
  return {
    items,
    offset,
    limit: shown.length < found.length ? items.length : limit,
    ...(counted
      ? {
          items_available: available(
            total?.results[0],
            offset + items.length,
            found.length === limit || shown.length < found.length,
          ),
        }
      : {}),
  };
}

/** @param shown rows up to the end of this page */
function available(total: Row | undefined, shown: number, isMore: boolean): number {
  const n = Number(total?.n ?? 0);
  const isExact = n <= COUNT_BOUND && total?.is_cut !== 1;
  return isExact ? n : Math.max(n, shown + (isMore ? 1 : 0));
}

/** The selected columns that hold long texts. */
function longTexts(table: Table, select: unknown): string[] {
  return selectNames(table, select).filter((name) => {
    const column = columnOf(table, name);
    return column?.sql === undefined && (LONG_TEXTS.has(name) || LONG_TYPES.has(column?.type ?? ''));
  });
}

/**
 * The columns with `page_row` and `row_bytes`, without the texts of a row that has more than its part of the page: nearly
 * every page comes with one statement, and none with more bytes than a page may have.
 */
function withSizes(table: Table, columns: string[], texts: string[], share: number): string[] {
  const size = texts.map((name) => `ifnull(octet_length(${table.name}.${name}), 0)`).join(' + ');
  return [
    `${table.name}.${table.key ?? 'rowid'} AS page_row`,
    `${size} AS row_bytes`,
    ...columns.map((name) =>
      texts.includes(name) ? `CASE WHEN ${size} <= ${share} THEN ${table.name}.${name} END AS ${name}` : name,
    ),
  ];
}

/** The rows up to MAX_PAGE_BYTES, at least one; texts that were left out are read. @param ctes the table's own */
async function withinBytes(db: ReadDatabase, table: Table, ctes: string, texts: string[], rows: Row[]): Promise<Row[]> {
  const key = `${table.name}.${table.key ?? 'rowid'}`;
  let bytes = 0;
  const end = rows.findIndex(({ row_bytes }, index) => {
    if (index > 0 && bytes >= MAX_PAGE_BYTES) return true;
    bytes += Number(row_bytes);
    return false;
  });
  const kept = end === -1 ? rows : rows.slice(0, end);
  const long = kept.filter((row) => Number(row.row_bytes) > 0 && texts.every((name) => row[name] === null));
  if (long.length === 0) return kept;
  const { results } = await db
    .prepare(
      `${ctes}SELECT ${key} AS page_row, ${texts.join(', ')} FROM ${table.name} WHERE ${key} IN (SELECT value FROM json_each(?))`,
    )
    .bind(JSON.stringify(long.map(({ page_row }) => page_row)))
    .all<Row>();
  const read = new Map(results.map((row) => [row.page_row, row]));
  // What was deleted meanwhile is left out.
  const there = kept.filter((row) => !long.includes(row) || read.has(row.page_row));
  return there.map((row) => ({ ...row, ...read.get(row.page_row) }));
}

function inOrder(
  { ctes, values, from, conditions, order }: NonNullable<Scope['ordered']>,
  select: string,
  filters: Condition[],
) {
  const where = whereOf([...conditions, ...filters]);
  const sorted = order === undefined ? '' : ` ORDER BY ${order}`;
  return { sql: `${withOf(ctes)}${select} FROM ${from}${where.sql}${sorted}`, values: [...values, ...where.values] };
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
