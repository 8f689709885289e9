import { INFIX, isUuid } from '../records/ids.ts';
import { type Look, lookAt, together } from '../records/look.ts';
import type { Membership, User } from './account.ts';
import { canManage, canRead, canWrite, type Level, requireAtLeast, toLevel } from './levels.ts';
import { rolesLook } from './memberships.ts';
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
 * statements, whatever the user owns. Null for what is not there or is inside a trashed project. The record's own trash
 * time does not count.
 */
export function headLook(db: D1Database, user: User, uuid: string): Look<Head | null> {
  const table = TABLES.find(([infix]) => isUuid(uuid, infix))?.[1];
  if (table === undefined) return { statements: [], found: () => null };
  const inRoles = (roles: readonly Membership[]): Look<Head | null> => ({
    statements: [
      db
        .prepare(
          `SELECT ${CLASSES[table]} AS class, ${levelFor(table, { ...user, roles })} AS level FROM ${table} WHERE uuid = ? AND NOT ${insideTrashSql(table)}`,
        )
        .bind(uuid),
    ],
    found([rows]) {
      const row = rows?.[0];
      return row === undefined ? null : { class: row.class as Head['class'], level: toLevel(row.level) };
    },
  });
  const { roles: known = [] } = user;
  if (user.isAdmin) return inRoles(known);
  const look = together(rolesLook(db, user.uuid), inRoles(known));
  return {
    statements: look.statements,
    async found(rows) {
      const [roles, head] = await look.found(rows);
      // Roles seldom change while a token is cached: only then the record is looked at once more.
      return isSame(roles, known) ? head : lookAt(db, inRoles(roles));
    },
  };
}

function isSame(some: readonly Membership[], others: readonly Membership[]): boolean {
  const isAt = ({ uuid, level }: Membership, i: number) => others[i]?.uuid === uuid && others[i]?.level === level;
  return some.length === others.length && some.every(isAt);
}

export function headOf(db: D1Database, user: User, uuid: string): Promise<Head | null> {
  return lookAt(db, headLook(db, user, uuid));
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
