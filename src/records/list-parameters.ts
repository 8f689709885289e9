import { KeepError } from '../keep/errors.ts';
import { columnOf, sqlOf, type Table } from './columns.ts';

/** Attributes that are worked out for each answer. */
const NOT_STORED: ReadonlySet<unknown> = new Set(['kind', 'etag', 'can_write', 'can_manage']);
/** `count=exact` counts so far. Rows, and projects that are looked through for them. */
export const COUNT_BOUND = 10_000;
const DEFAULT_ORDER = ['modified_at desc', 'uuid desc'];

/** `SELECT` expressions for the names in `select`, or for all columns that are not `onRequest`. */
export function selectColumns(table: Table, select: unknown): string[] {
  return selectNames(table, select).map((name) => {
    const column = columnOf(table, name);
    return column?.sql === undefined ? name : `${column.sql} AS ${name}`;
  });
}

/**
 * The attributes that `select` names; `kind` and `etag` are not stored and always given.
 * @throws KeepError invalid_record for a name that is not one of the table's
 */
export function selectNames(table: Table, select: unknown): string[] {
  const everything = Object.keys(table.columns).filter((name) => {
    const column = columnOf(table, name);
    return !column?.onRequest && !column?.onlyFilter;
  });
  if (select === undefined || select === null) return everything;
  if (!Array.isArray(select))
    throw new KeepError('invalid_record', { message: 'select must be an array of attribute names' });
  const names = new Set<string>();
  for (const name of select) {
    if (NOT_STORED.has(name)) continue;
    if (typeof name === 'string' && columnOf(table, name)?.onlyFilter) continue;
    if (typeof name !== 'string' || columnOf(table, name) === undefined) {
      throw new KeepError('invalid_record', { message: 'select names an attribute that does not exist' });
    }
    names.add(name);
  }
  return names.size === 0 ? ['uuid'] : [...names];
}

/** `ORDER BY` terms. The default order is appended; unknown names are left out, as the Arvados API does. */
export function orderBy(table: Table, order: unknown): string {
  const asked = (Array.isArray(order) ? order : typeof order === 'string' ? order.split(',') : []).map((item) =>
    String(item).trim(),
  );
  const terms = new Map<string, string>();
  for (const item of [...asked, ...DEFAULT_ORDER]) {
    const [, path = '', direction = 'asc'] = /^([a-z_.]+)(?:\s+(asc|desc))?$/i.exec(item) ?? [];
    const name = path.replace(`${table.name}.`, '');
    const column = columnOf(table, name);
    if (column === undefined || column.onRequest || column.onlyFilter || terms.has(name)) continue;
    terms.set(name, `${sqlOf(name, column)} ${direction.toLowerCase() === 'desc' ? 'DESC' : 'ASC'}`);
  }
  return terms.size === 0 ? '1' : [...terms.values()].join(', ');
}

/** @throws KeepError invalid_record */
export function wantsCount(count: unknown): boolean {
  if (count === 'none') return false;
  if (count === undefined || count === null || count === '' || count === 'exact') return true;
  throw new KeepError('invalid_record', { message: 'count must be "exact" or "none"' });
}

/** Undefined when not given or negative. @throws KeepError invalid_record */
export function wholeNumber(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number))
    throw new KeepError('invalid_record', { message: `${name} must be a whole number` });
  return number < 0 ? undefined : number;
}
