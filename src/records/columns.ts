/**
 * The allow-list between requests and SQL: only names listed here reach a statement, through the `sql` given here.
 * Everything that a client sends is bound as a parameter.
 */
export type ColumnType = 'text' | 'integer' | 'boolean' | 'time' | 'object' | 'array';

export interface Column {
  type: ColumnType;
  /** SQL expression where it is not the column's name. Trusted text, never a client's. */
  sql?: string;
  /** Not part of a record unless `select` names it. */
  onRequest?: true;
  /** For filters: never part of a record. */
  onlyFilter?: true;
}

export interface Table {
  /** SQL name. */
  name: string;
  /** `arvados#…` */
  kind: string;
  /** SQL name of what tells rows apart; `rowid` where it is missing. */
  key?: string;
  columns: Readonly<Record<string, Column>>;
}

export type Row = Record<string, unknown>;

/** The trash time has passed. `strftime` gives three digits, stored times have nine: equal milliseconds count as past. */
export const IS_TRASHED = "(trash_at IS NOT NULL AND trash_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";

/** Own properties only: `constructor` is not a column. */
export function columnOf(table: Table, name: string): Column | undefined {
  return Object.hasOwn(table.columns, name) ? table.columns[name] : undefined;
}

export function sqlOf(name: string, column: Column): string {
  return column.sql ?? name;
}

/** A row as the API shows it: 0 and 1 as booleans, JSON text as values. */
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
