import { KeepError } from '../keep/errors.ts';
import type { Row } from './columns.ts';

/** Column names in statements must come from code, never from a request. */
const COLUMN_NAME = /^[a-z_0-9]+$/;

/**
 * Inserts one row.
 * @throws KeepError invalid_record (422) when a unique name or key is taken
 */
export async function insertRow(db: D1Database, table: string, row: Row): Promise<void> {
  await refuseDuplicates(() => insertStatement(db, table, row).run());
}

export function insertStatement(db: D1Database, table: string, row: Row): D1PreparedStatement {
  const names = columnNames(row);
  const marks = names.map(() => '?').join(', ');
  return db.prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${marks})`).bind(...Object.values(row));
}

/**
 * Changes one row by UUID; false when there is none or `guard` (trusted SQL with its values) does not hold.
 * @throws KeepError invalid_record (422) when a unique name is taken
 */
export async function updateRow(
  db: D1Database,
  table: string,
  uuid: string,
  row: Row,
  guard?: { sql: string; values: (string | number | null)[] },
): Promise<boolean> {
  const assignments = columnNames(row).map((name) => `${name} = ?`);
  const statement = db
    .prepare(
      `UPDATE ${table} SET ${assignments.join(', ')} WHERE uuid = ?${guard === undefined ? '' : ` AND ${guard.sql}`}`,
    )
    .bind(...Object.values(row), uuid, ...(guard?.values ?? []));
  const result = await refuseDuplicates(() => statement.run());
  return result.meta.changes > 0;
}

/** Arvados clients (workbench2) look for this wording. */
async function refuseDuplicates<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!isDuplicate(cause)) throw cause;
    throw new KeepError('invalid_record', {
      message: 'Name has already been taken (UniqueViolation: duplicate key)',
      cause,
    });
  }
}

/** Whether D1 refused a row because of a unique index. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && error.message.includes('UNIQUE constraint failed');
}

function columnNames(row: Row): string[] {
  const names = Object.keys(row);
  const bad = names.find((name) => !COLUMN_NAME.test(name));
  if (bad !== undefined) throw new Error('a column name must come from code');
  return names;
}

const UNIQUE_NAME_LENGTH = 237;
const UUID_TAIL = 12;

/**
 * Inserts a record. With `ensureUniqueName` a name that is taken gets the end of the UUID in parentheses.
 * @throws KeepError invalid_record
 */
export async function insertNamed(db: D1Database, table: string, row: Row, ensureUniqueName: boolean): Promise<void> {
  try {
    await insertStatement(db, table, row).run();
  } catch (cause) {
    if (!isDuplicate(cause)) throw cause;
    if (!ensureUniqueName)
      throw new KeepError('invalid_record', {
        message: 'Name has already been taken (UniqueViolation: duplicate key)',
        cause,
      });
    await insertStatement(db, table, { ...row, name: uniqueName(String(row.name), String(row.uuid)) }).run();
  }
}

/** A unique name: the given one, cut, with the end of the UUID. */
export function uniqueName(name: string, uuid: string): string {
  return `${name.slice(0, UNIQUE_NAME_LENGTH)} (${uuid.slice(UUID_TAIL)})`;
}
