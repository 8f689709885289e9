import { KeepError } from '../keep/errors.ts';
import { IS_TRASHED } from '../records/columns.ts';
import { INFIX, isUuid } from '../records/ids.ts';
import type { User } from './account.ts';

/** What a user may do with a record. Each level includes those before it. */
export type Level = 'none' | 'read' | 'write' | 'manage';

const ORDER: readonly Level[] = ['none', 'read', 'write', 'manage'];

const TABLES: readonly [infix: string, table: string][] = [
  [INFIX.collection, 'collections'],
  [INFIX.group, 'groups'],
  [INFIX.user, 'users'],
];

/** From a record upwards: its owner, that one's owner and so on, and the owner of an uploader account. */
const ABOVE = `WITH RECURSIVE above(uuid, hidden) AS (
    SELECT owner_uuid, 0 FROM record
    UNION SELECT groups.owner_uuid, ${IS_TRASHED.replaceAll('trash_at', 'groups.trash_at')} FROM above JOIN groups ON groups.uuid = above.uuid
    UNION SELECT users.owner_uuid, 0 FROM above JOIN users ON users.uuid = above.uuid WHERE users.is_uploader = 1
  )`;

/**
 * The level that a user has on a collection, project or user. One query, whatever the user owns.
 * `none` also for what is not there, and for what is inside a trashed project. The record's own trash time does not count.
 */
export async function levelOf(db: D1Database, user: User, uuid: string): Promise<Level> {
  const table = TABLES.find(([infix]) => isUuid(uuid, infix))?.[1];
  if (table === undefined) return 'none';
  const row = await db
    .prepare(
      `WITH record AS (SELECT uuid, owner_uuid FROM ${table} WHERE uuid = ?)
       SELECT (${ABOVE} SELECT max(hidden) FROM above) AS hidden,
         record.uuid = ? OR ? IN (${ABOVE} SELECT uuid FROM above) AS owned FROM record`,
    )
    .bind(uuid, user.uuid, user.uuid)
    .first<{ hidden: number; owned: number }>();
  if (row === null || row.hidden === 1) return 'none';
  return user.isAdmin || row.owned === 1 ? 'manage' : 'none';
}

export function canRead(level: Level): boolean {
  return atLeast(level, 'read');
}

export function canWrite(level: Level): boolean {
  return atLeast(level, 'write');
}

export function canManage(level: Level): boolean {
  return atLeast(level, 'manage');
}

/**
 * Judges again, from the database, whether a user may do something with a record.
 * @throws KeepError not_found when the user cannot see it; forbidden when the user may only do less
 */
export async function requireLevel(db: D1Database, user: User, uuid: string, needed: Level): Promise<void> {
  const level = await levelOf(db, user, uuid);
  if (atLeast(level, needed)) return;
  if (!canRead(level)) throw new KeepError('not_found', { message: 'Path not found' });
  throw new KeepError('forbidden', { message: `Forbidden: you may not ${needed} this` });
}

function atLeast(level: Level, needed: Level): boolean {
  return ORDER.indexOf(level) >= ORDER.indexOf(needed);
}
