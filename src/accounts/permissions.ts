import { INFIX, isUuid } from '../records/ids.ts';
import type { User } from './account.ts';
import { canManage, canRead, canWrite, type Level, requireAtLeast, toLevel } from './levels.ts';
import { rolesOf } from './memberships.ts';
import { insideTrashSql, levelFor, type Shared } from './permission-sql.ts';

export { canManage, canRead, canWrite, type Level };

const TABLES: readonly [infix: string, table: Shared][] = [
  [INFIX.collection, 'collections'],
  [INFIX.group, 'groups'],
  [INFIX.user, 'users'],
];

/** A record that may be shared, as one user sees it. */
export interface Head {
  class: 'collection' | 'project' | 'role' | 'user';
  /** Read for a user that can be seen because users see each other. */
  level: Level;
}

const CLASSES: Record<Shared, string> = { collections: "'collection'", groups: 'group_class', users: "'user'" };

/**
 * What a collection, project, role or user is and the level that a user has on it, as the database knows it now. Two
 * queries, whatever the user owns. Null for what is not there or is inside a trashed project. The record's own trash
 * time does not count.
 */
export async function headOf(db: D1Database, user: User, uuid: string): Promise<Head | null> {
  const table = TABLES.find(([infix]) => isUuid(uuid, infix))?.[1];
  if (table === undefined) return null;
  const now = user.isAdmin ? user : { ...user, roles: await rolesOf(db, user.uuid) };
  const row = await db
    .prepare(
      `SELECT ${CLASSES[table]} AS class, ${levelFor(table, now)} AS level FROM ${table} WHERE uuid = ? AND NOT ${insideTrashSql(table)}`,
    )
    .bind(uuid)
    .first<{ class: Head['class']; level: number }>();
  return row === null ? null : { class: row.class, level: toLevel(row.level) };
}

/** The level of headOf; `none` for what it does not find. */
export async function levelOf(db: D1Database, user: User, uuid: string): Promise<Level> {
  return (await headOf(db, user, uuid))?.level ?? 'none';
}

/**
 * Judges again, from the database, whether a user may do something with a record.
 * @throws KeepError not_found when the user cannot see it; forbidden when the user may only do less
 */
export async function requireLevel(db: D1Database, user: User, uuid: string, needed: Level): Promise<void> {
  requireAtLeast(await levelOf(db, user, uuid), needed);
}
