import { KeepError } from '../keep/errors.ts';
import { type Column, columnOf, sqlOf, type Table } from './columns.ts';
import { normaliseTime } from './times.ts';

/** An SQL expression and the values of its question marks, in order. */
export interface Condition {
  sql: string;
  values: (string | number | null)[];
}

/** A set, not an object: `constructor` is not an operator. */
const COMPARISONS = new Set(['<', '<=', '>', '>=']);
const COLUMN_COMPARISON = /^\(\s*([a-z_]+)\s*(<=|>=|<|>|=)\s*([a-z_]+)\s*\)$/;
/** D1 allows 100 parameters a statement. */
const MAX_FILTERS = 20;

/**
 * The API's `filters` as conditions for one table (docs/protocol/collections.md#filters). A name that is not in the
 * table's allow-list, an unknown operator or an operand of the wrong type is refused.
 * @throws KeepError invalid_record (422)
 */
export function parseFilters(table: Table, filters: unknown): Condition[] {
  if (filters === undefined || filters === null) return [];
  if (!Array.isArray(filters)) throw invalid('filters must be an array of [attribute, operator, operand]');
  if (filters.length > MAX_FILTERS) throw invalid(`at most ${MAX_FILTERS} filters`);
  return filters.map((filter) =>
    typeof filter === 'string' ? compareColumns(table, filter) : parseFilter(table, filter),
  );
}

function parseFilter(table: Table, filter: unknown): Condition {
  if (!Array.isArray(filter) || filter.length !== 3) throw invalid('a filter is [attribute, operator, operand]');
  const [attribute, rawOperator, operand] = filter as [unknown, unknown, unknown];
  if (typeof attribute !== 'string' || typeof rawOperator !== 'string')
    throw invalid('a filter names attribute and operator as text');
  const operator = rawOperator.toLowerCase();
  if (operator === '@@')
    throw invalid('the operator @@ is no longer there: ["any", "ilike", "%text%"] looks at all texts');
  if (attribute === 'any') return anyColumn(table, operator, operand);
  const [name = '', ...rest] = attribute.split('.');
  if (rest.length > 0 && columnOf(table, name)?.type === 'object')
    return inProperty(name, rest.join('.').replace(/^<(.*)>$/s, '$1'), operator, operand);
  const column = columnOf(table, attribute);
  if (column === undefined || column.onRequest) throw invalid(`invalid attribute in filter: ${printable(attribute)}`);
  return onColumn(attribute, column, operator, operand);
}

function onColumn(name: string, column: Column, operator: string, operand: unknown): Condition {
  const sql = sqlOf(name, column);
  if (operator === 'exists')
    return { sql: `EXISTS (SELECT 1 FROM json_each(${json(name, column)}) WHERE key = ?)`, values: [text(operand)] };
  if (operator === 'contains') return contains(json(name, column), operand);
  if (operator === 'is_a') {
    const kinds = (Array.isArray(operand) ? operand : [operand]).map((kind) => infixOf(text(kind)));
    return { sql: `substr(${sql}, 7, 5) IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(kinds)] };
  }
  if (operator === 'like' || operator === 'ilike') return matchText(sql, text(operand), operator === 'ilike');
  return compare(sql, operator, operand, (value) => literal(name, column, value));
}

/** `=`, `!=`, order and lists. `!=` and `not in` also match where there is no value. */
function compare(
  sql: string,
  operator: string,
  operand: unknown,
  read: (value: unknown) => string | number | null,
): Condition {
  if (operator === '=') return { sql: `${sql} IS ?`, values: [read(operand)] };
  if (operator === '!=' || operator === '<>') return { sql: `${sql} IS NOT ?`, values: [read(operand)] };
  if (COMPARISONS.has(operator)) return { sql: `${sql} ${operator} ?`, values: [read(operand)] };
  if (operator !== 'in' && operator !== 'not in') throw invalid(`invalid operator in filter: ${printable(operator)}`);
  if (!Array.isArray(operand)) throw invalid(`the operand of ${operator} is an array`);
  const values = operand.map(read);
  const list = JSON.stringify(values.filter((value) => value !== null));
  const found = `${sql} IN (SELECT value FROM json_each(?))`;
  const positive = values.includes(null) ? `(${found} OR ${sql} IS NULL)` : found;
  if (operator === 'in') return { sql: positive, values: [list] };
  const missing = values.includes(null) ? '' : ` OR ${sql} IS NULL`;
  return { sql: `(${sql} IS NOT NULL AND NOT ${found}${missing})`, values: [list] };
}

/** `properties.key`: the key is bound as a parameter too. */
function inProperty(column: string, key: string, operator: string, operand: unknown): Condition {
  const where = (condition: string) => `EXISTS (SELECT 1 FROM json_each(${column}) AS p WHERE p.key = ?${condition})`;
  if (operator === 'exists') {
    return { sql: operand === false ? `NOT ${where('')}` : where(''), values: [key] };
  }
  if (operator === 'contains') {
    const inside =
      "EXISTS (SELECT 1 FROM json_each(CASE WHEN p.type = 'array' THEN p.value ELSE '[]' END) AS e WHERE e.value = ?)";
    const value = scalar(operand);
    return { sql: where(` AND (p.atom = ? OR ${inside})`), values: [key, value, value] };
  }
  const negative = operator === '!=' || operator === '<>' || operator === 'not in';
  if (operator === 'like' || operator === 'ilike') {
    const match = matchText('p.atom', text(operand), operator === 'ilike');
    return { sql: where(` AND ${match.sql}`), values: [key, ...match.values] };
  }
  const positive = operator === 'not in' ? 'in' : negative ? '=' : operator;
  const condition = compare('p.atom', positive, operand, scalar);
  const sql = where(` AND ${condition.sql}`);
  return { sql: negative ? `NOT ${sql}` : sql, values: [key, ...condition.values] };
}

/**
 * `["any", "ilike", "%x%"]`: like the original, a text that contains something is sought in names, descriptions, properties
 * and file names together; other operators look at each column that holds text.
 */
function anyColumn(table: Table, operator: string, operand: unknown): Condition {
  const isInner = (operator === 'like' || operator === 'ilike') && /^%.*%$/s.test(String(operand));
  const names = Object.entries(table.columns).filter(
    ([name, column]) =>
      (column.type === 'text' || (isInner && column.type === 'object')) &&
      !column.onRequest &&
      column.sql === undefined &&
      !(isInner && IDENTIFIER.test(name)),
  );
  if (isInner) {
    const all = `concat_ws(char(10), ${names.map(([name]) => `${table.name}.${name}`).join(', ')})`;
    return matchText(all, text(operand), operator === 'ilike');
  }
  const conditions = names.map(([name, column]) => onColumn(name, column, operator, operand));
  return {
    sql: `(${conditions.map((condition) => condition.sql).join(' OR ')})`,
    values: conditions.flatMap((condition) => condition.values),
  };
}

const IDENTIFIER = /(^|_)(uuid|hash)$/;

function contains(sql: string, operand: unknown): Condition {
  const wanted = Array.isArray(operand) ? operand : [operand];
  const conditions = wanted.map(() => `EXISTS (SELECT 1 FROM json_each(${sql}) WHERE value = ?)`);
  return { sql: `(${conditions.join(' AND ') || '1'})`, values: wanted.map(scalar) };
}

/** `"(replication_desired < replication_confirmed)"` between integer columns. */
function compareColumns(table: Table, filter: string): Condition {
  const [, left = '', operator = '', right = ''] = COLUMN_COMPARISON.exec(filter) ?? [];
  const columns = [left, right].map((name) => ({ name, column: columnOf(table, name) }));
  const sides = columns.map(({ name, column }) => {
    if (column?.type !== 'integer') throw invalid(`invalid expression in filter: ${printable(filter)}`);
    return sqlOf(name, column);
  });
  return { sql: `${sides[0]} ${operator} ${sides[1]}`, values: [] };
}

/** A filter's operand in the form in which the column is stored. */
function literal(name: string, column: Column, value: unknown): string | number | null {
  if (value === null) return null;
  if (column.type === 'boolean' && typeof value === 'boolean') return value ? 1 : 0;
  if (column.type === 'integer' && Number.isSafeInteger(value)) return value as number;
  if (column.type === 'time' && typeof value === 'string') {
    const time = normaliseTime(value);
    if (time !== null) return time;
  }
  if (column.type === 'text' && (typeof value === 'string' || typeof value === 'number')) return String(value);
  if (column.type === 'object' || column.type === 'array') return JSON.stringify(value);
  throw invalid(`invalid operand for ${name} in filter: ${column.type} expected`);
}

function scalar(value: unknown): string | number | null {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  throw invalid('the operand is text, a number, true, false or null');
}

function json(name: string, column: Column): string {
  if (column.type === 'object' || column.type === 'array') return sqlOf(name, column);
  throw invalid(`${name} has no keys or elements`);
}

function infixOf(kind: string): string {
  const infix: Record<string, string> = {
    'arvados#collection': '4zz18',
    'arvados#group': 'j7d0g',
    'arvados#user': 'tpzed',
    'arvados#log': '57u5n',
    'arvados#apiClientAuthorization': 'gj3su',
    'arvados#link': 'o0j2j',
  };
  return Object.hasOwn(infix, kind) ? (infix[kind] ?? '') : '';
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw invalid('the operand is text');
}

const PRINTABLE_LENGTH = 60;
const printable = (value: string) => JSON.stringify(value.slice(0, PRINTABLE_LENGTH));
const invalid = (message: string) => new KeepError('invalid_record', { message });

/** D1 refuses longer LIKE and GLOB patterns. */
const MAX_PATTERN_BYTES = 50;

/**
 * `like` (case-sensitive) and `ilike` with `%`, `_` and a backslash before a literal one. The usual forms (`%x%`, `x%`,
 * `%x`, `x`) become plain text searches of any length; the others become GLOB patterns.
 */
export function matchText(sql: string, pattern: string, ignoreCase: boolean): Condition {
  const parts = tokens(pattern);
  const first = parts.at(0)?.wildcard === '%';
  const last = parts.at(-1)?.wildcard === '%';
  const middle = parts.slice(first ? 1 : 0, last ? -1 : undefined);
  const column = ignoreCase ? `lower(${sql})` : sql;
  if (middle.every((part) => part.wildcard === undefined)) {
    const literal = middle.map((part) => part.char).join('');
    const value = ignoreCase ? lowerAscii(literal) : literal;
    if (value === '')
      return { sql: first || last ? `${sql} IS NOT NULL` : `${sql} = ?`, values: first || last ? [] : [''] };
    if (first && last) return { sql: `instr(${column}, ?) > 0`, values: [value] };
    if (last) return { sql: `substr(${column}, 1, length(?)) = ?`, values: [value, value] };
    if (first) return { sql: `substr(${column}, -length(?)) = ?`, values: [value, value] };
    return { sql: `${column} = ?`, values: [value] };
  }
  const glob = parts
    .map(({ char, wildcard }) =>
      wildcard === '%' ? '*' : wildcard === '_' ? '?' : '*?['.includes(char) ? `[${char}]` : char,
    )
    .join('');
  if (new TextEncoder().encode(glob).length > MAX_PATTERN_BYTES) {
    throw new KeepError('invalid_record', {
      message: `a pattern with inner wildcards has at most ${MAX_PATTERN_BYTES} bytes`,
    });
  }
  return { sql: `${column} GLOB ?`, values: [ignoreCase ? lowerAscii(glob) : glob] };
}

interface Token {
  char: string;
  wildcard?: '%' | '_';
}

function tokens(pattern: string): Token[] {
  const result: Token[] = [];
  const chars = [...pattern];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? '';
    if (char === '\\' && i + 1 < chars.length) result.push({ char: chars[++i] ?? '' });
    else if (char === '%' || char === '_') result.push({ char, wildcard: char });
    else result.push({ char });
  }
  return result;
}

/** SQLite's lower() folds ASCII only; the operand must be folded the same way. */
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (char) => char.toLowerCase());
}
