import { KeepError } from '../keep/errors.ts';
import { columnOf, type Row, type Table, toRecord } from './columns.ts';
import { type Condition, parseFilters } from './filters.ts';
import { orderBy, selectColumns, selectNames, wantsCount, wholeNumber } from './list-parameters.ts';

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
  /** Missing with `count=none`. */
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

/** Which rows of a table a request may see. */
export interface Scope {
  /** Common table expressions that the conditions refer to, without WITH RECURSIVE; none when missing. */
  ctes?: string;
  conditions: Condition[];
  /** Further SQL expressions to select; they are no columns of the table and come out as they are. */
  extra?: string[];
  /** Rows in the order that was asked for, read as far as the page goes; the count is made from the rest of the scope. */
  ordered?: {
    ctes: string;
    values: Condition['values'];
    from: string;
    conditions: Condition[];
    /** In the place of the scope's. */
    extra?: string[];
  } | null;
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
  const asked = wholeNumber(parameters.limit, 'limit') ?? DEFAULT_LIMIT;
  const offset = wholeNumber(parameters.offset, 'offset') ?? 0;
  const { ordered } = scope;
  const extra = ordered?.extra ?? scope.extra ?? [];
  const distinct = parameters.distinct === true;
  const columns = selectColumns(table, parameters.select);
  const sizes = textSizes(table, parameters.select);
  const limit = Math.min(asked, sizes !== null && distinct ? ROWS_OF_ANY_SIZE : MAX_LIMIT);
  const isSized = sizes !== null && limit > ROWS_OF_ANY_SIZE;
  const selected = isSized ? [`${table.name}.${table.key ?? 'rowid'} AS page_row`, `${sizes} AS row_bytes`] : columns;
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
  const whole = `${page.sql} LIMIT ? OFFSET ?`;
  const bounded = isSized
    ? `${table.key === undefined ? '' : ctes}${withinBytes(table, columns, extra, whole)}`
    : whole;
  const statements = [db.prepare(bounded).bind(...page.values, limit, offset)];
  if (counted)
    statements.push(db.prepare(`${ctes}SELECT count(*) AS n FROM ${table.name}${all.sql}`).bind(...all.values));
  const [rows, total] = await db.batch<Row>(statements);
  const found = rows?.results ?? [];
  const isCut = isSized && found.length < Number(found[0]?.page_rows ?? 0);
  const items = found.map(({ page_rows: _, ...row }) => toRecord(table, row));
  return {
    items,
    offset,
    limit: isCut ? items.length : limit,
    ...(counted ? { items_available: Number(total?.results[0]?.n ?? 0) } : {}),
  };
}

/** Bytes of the long texts that a row holds, as SQL; null when none is selected. */
function textSizes(table: Table, select: unknown): string | null {
  const texts = selectNames(table, select).filter((name) => {
    const column = columnOf(table, name);
    return column?.sql === undefined && (LONG_TEXTS.has(name) || LONG_TYPES.has(column?.type ?? ''));
  });
  if (texts.length === 0) return null;
  return texts.map((name) => `ifnull(octet_length(${table.name}.${name}), 0)`).join(' + ');
}

/**
 * The rows of a page up to MAX_PAGE_BYTES, at least one, each with the length of the whole page. The page is chosen by
 * row ids and sizes, so that no long text is read that does not come out.
 */
function withinBytes(table: Table, columns: string[], extra: string[], page: string): string {
  const names = extra.map((expression) => expression.replace(/^.* AS /s, ''));
  return `SELECT ${[...columns, ...names, 'page_rows'].join(', ')} FROM (
      SELECT *, sum(row_bytes) OVER (ROWS UNBOUNDED PRECEDING) - row_bytes AS bytes_before,
        row_number() OVER () AS page_position, count(*) OVER () AS page_rows FROM (${page})
    ) AS page CROSS JOIN ${table.name} ON ${table.name}.${table.key ?? 'rowid'} = page.page_row
    WHERE bytes_before < ${MAX_PAGE_BYTES} ORDER BY page_position`;
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
