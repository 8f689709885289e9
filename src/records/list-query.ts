import { KeepError } from '../keep/errors.ts';
import { columnOf, type Row, sqlOf, type Table, toRecord } from './columns.ts';
import { type Condition, parseFilters } from './filters.ts';

/** What a list request asks for, as it came (keep-web.md 10.1). */
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
const DEFAULT_ORDER = ['modified_at desc', 'uuid desc'];

/**
 * One page of a table's records: those that meet the client's filters and the given conditions (permissions).
 * @throws KeepError invalid_record (422) for parameters that make no sense
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

/** `SELECT` expressions for what `select` names, or for everything that is not only given on request. */
export function selectColumns(table: Table, select: unknown): string[] {
  return selectNames(table, select).map((name) => {
    const column = columnOf(table, name);
    return column?.sql === undefined ? name : `${column.sql} AS ${name}`;
  });
}

/**
 * Names of the attributes that `select` asks for; `kind` and `etag` are not stored and always given.
 * @throws KeepError invalid_record for a name that is not one of the table's
 */
export function selectNames(table: Table, select: unknown): string[] {
  const everything = Object.keys(table.columns).filter((name) => !columnOf(table, name)?.onRequest);
  if (select === undefined || select === null) return everything;
  if (!Array.isArray(select))
    throw new KeepError('invalid_record', { message: 'select must be an array of attribute names' });
  const names = new Set<string>();
  for (const name of select) {
    if (name === 'kind' || name === 'etag') continue;
    if (typeof name !== 'string' || columnOf(table, name) === undefined) {
      throw new KeepError('invalid_record', { message: 'select names an attribute that does not exist' });
    }
    names.add(name);
  }
  return names.size === 0 ? ['uuid'] : [...names];
}

/** The order is completed with the default one; unknown names are left out, as upstream does. */
function orderBy(table: Table, order: unknown): string {
  const asked = (Array.isArray(order) ? order : typeof order === 'string' ? order.split(',') : []).map((item) =>
    String(item).trim(),
  );
  const terms = new Map<string, string>();
  for (const item of [...asked, ...DEFAULT_ORDER]) {
    const [, path = '', direction = 'asc'] = /^([a-z_.]+)(?:\s+(asc|desc))?$/i.exec(item) ?? [];
    const name = path.replace(`${table.name}.`, '');
    const column = columnOf(table, name);
    if (column === undefined || column.onRequest || terms.has(name)) continue;
    terms.set(name, `${sqlOf(name, column)} ${direction.toLowerCase() === 'desc' ? 'DESC' : 'ASC'}`);
  }
  return terms.size === 0 ? '1' : [...terms.values()].join(', ');
}

function wantsCount(count: unknown): boolean {
  if (count === 'none') return false;
  if (count === undefined || count === null || count === '' || count === 'exact') return true;
  throw new KeepError('invalid_record', { message: 'count must be "exact" or "none"' });
}

function wholeNumber(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number))
    throw new KeepError('invalid_record', { message: `${name} must be a whole number` });
  return number < 0 ? undefined : number;
}
