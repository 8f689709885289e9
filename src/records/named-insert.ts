import { KeepError } from '../keep/errors.ts';
import type { Row } from './columns.ts';
import { insertStatement, isDuplicate } from './write-row.ts';

const UNIQUE_NAME_LENGTH = 237;
const UUID_TAIL = 12;

/**
 * Inserts a record whose name may be taken: then, if asked, the name gets the UUID's end in parentheses.
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

/** A name that nobody else has: the given one, cut, with the end of the UUID. */
export function uniqueName(name: string, uuid: string): string {
  return `${name.slice(0, UNIQUE_NAME_LENGTH)} (${uuid.slice(UUID_TAIL)})`;
}
