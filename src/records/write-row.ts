import { isKeepError, KeepError } from '../keep/errors.ts';
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
  const result = await refuseDuplicates(() => updateStatement(db, table, uuid, row, guard).run());
  return result.meta.changes > 0;
}

/** The statement of `updateRow`, for a batch. */
export function updateStatement(
  db: D1Database,
  table: string,
  uuid: string,
  row: Row,
  guard?: { sql: string; values: (string | number | null)[] },
): D1PreparedStatement {
  const assignments = columnNames(row).map((name) => `${name} = ?`);
  return db
    .prepare(
      `UPDATE ${table} SET ${assignments.join(', ')} WHERE uuid = ?${guard === undefined ? '' : ` AND ${guard.sql}`}`,
    )
    .bind(...Object.values(row), uuid, ...(guard?.values ?? []));
}

/** Turns D1's refusal of a duplicate into the wording that Arvados clients (workbench2) look for. */
export async function refuseDuplicates<T>(run: () => Promise<T>): Promise<T> {
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
 * @param before called with the row before each attempt; what it returns undoes that when the row is refused
 * @throws KeepError invalid_record
 */
export async function insertNamed(
  db: D1Database,
  table: string,
  row: Row,
  ensureUniqueName: boolean,
  before: (row: Row) => Promise<() => Promise<unknown>> = async () => async () => {},
): Promise<void> {
  const attempt = async (attempted: Row) => {
    const undo = await before(attempted);
    try {
      await insertRow(db, table, attempted);
    } catch (error) {
      if (isKeepError(error, 'invalid_record')) await undo();
      throw error;
    }
  };
  try {
    await attempt(row);
  } catch (error) {
    if (!ensureUniqueName || typeof row.name !== 'string' || !isKeepError(error, 'invalid_record')) throw error;
    await attempt({ ...row, name: uniqueName(row.name, String(row.uuid)) });
  }
}

/** A unique name: the given one, cut, with the end of the UUID. */
export function uniqueName(name: string, uuid: string): string {
  return `${name.slice(0, UNIQUE_NAME_LENGTH)} (${uuid.slice(UUID_TAIL)})`;
}
