/**
 * The allow-list that stands between a request and SQL: only names in here ever reach a statement, and only through
 * the `sql` written here. Everything a client sends is bound as a parameter.
 */
export type ColumnType = 'text' | 'integer' | 'boolean' | 'time' | 'object' | 'array';

export interface Column {
  type: ColumnType;
  /** SQL expression, when it is more than the column's own name. Written by us, never by a client. */
  sql?: string;
  /** Not part of a record unless `select` names it. */
  onRequest?: true;
}

export interface Table {
  /** SQL name. */
  name: string;
  /** `arvados#…` */
  kind: string;
  columns: Readonly<Record<string, Column>>;
}

export type Row = Record<string, unknown>;

/** True now: a trash time that has come. `strftime` gives three digits, stored times have nine: equal milliseconds count as past. */
export const IS_TRASHED = "(trash_at IS NOT NULL AND trash_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";

/** A client may ask for any name; only the table's own properties are columns (`constructor` is none). */
export function columnOf(table: Table, name: string): Column | undefined {
  return Object.hasOwn(table.columns, name) ? table.columns[name] : undefined;
}

export function sqlOf(name: string, column: Column): string {
  return column.sql ?? name;
}

/** A row as the API shows it: switches as booleans, JSON text as values. */
export function toRecord(table: Table, row: Row): Row {
  const record: Row = {};
  for (const [name, value] of Object.entries(row)) {
    const type = columnOf(table, name)?.type;
    if (type === 'boolean') record[name] = value === 1;
    else if (type === 'object' || type === 'array') record[name] = JSON.parse(String(value ?? 'null'));
    else record[name] = value;
  }
  return record;
}
