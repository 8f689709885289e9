import { IS_TRASHED } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import type { User } from './account.ts';
import { LEVEL } from './levels.ts';
import { insideTrashSql, isPerson, levelFor, quoted, type Shared, subjectsSql } from './permission-sql.ts';

/**
 * CTEs for lists, without WITH RECURSIVE before the first one.
 * `granted(uuid, class)`: where permission starts: the user, users that the user manages, uploader accounts below
 * these, and what links name.
 */
export function grantedSql(user: User): string {
  const subjects = subjectsSql(user);
  return `granted(uuid, class) AS (
    SELECT ${quoted(user.uuid)}, 'user'
    UNION SELECT head_uuid, head_class FROM links INDEXED BY links_grants
      WHERE tail_uuid IN (${subjects}) AND link_class = 'permission' AND head_class IN ('collection', 'project')
    UNION SELECT head_uuid, head_class FROM links INDEXED BY links_grants
      WHERE tail_uuid IN (${subjects}) AND link_class = 'permission' AND head_class = 'user' AND level = ${LEVEL.manage}
    UNION SELECT users.uuid, 'user' FROM granted CROSS JOIN users INDEXED BY users_owner
      ON users.owner_uuid = granted.uuid WHERE granted.class = 'user' AND users.is_uploader = 1
  )`;
}

/** Trashed projects and all that is inside. */
const DARK = `SELECT uuid FROM groups INDEXED BY groups_trashed WHERE ${IS_TRASHED}
    UNION SELECT ancestors.uuid FROM groups INDEXED BY groups_trashed CROSS JOIN ancestors INDEXED BY ancestors_below ON ancestors.ancestor = groups.uuid WHERE ${IS_TRASHED}`;

/**
 * grantedSql and `readable(uuid)`: every user and project from there on downwards. It costs as many rows as there are
 * projects: lists that can do without leave it out.
 * @param bound leave out what comes after so many projects
 */
export function readableSql(user: User, includeTrash: boolean, bound: number | null = null): string {
  const below =
    "SELECT ancestors.uuid FROM granted CROSS JOIN ancestors INDEXED BY ancestors_below ON ancestors.ancestor = granted.uuid WHERE granted.class <> 'collection'";
  return `${grantedSql(user)},
  readable(uuid) AS (
    SELECT uuid FROM granted WHERE class <> 'collection'
    UNION SELECT uuid FROM (${bound === null ? below : `${below} LIMIT ${bound + 1}`})
    ${includeTrash ? '' : `EXCEPT SELECT uuid FROM (${DARK})`}
  )`;
}

/** The column that withLevel reads, unless `select` leaves it out. @param owner as for levelFor */
export function levelColumn(table: Shared, user: User, select: unknown, owner?: string): string[] {
  const wanted = !Array.isArray(select) || select.includes('can_write') || select.includes('can_manage');
  return wanted ? [`${levelFor(table, user, owner)} AS permission_level`] : [];
}

/** Rows that the user may read, judged one by one: for filters that leave few. @param owner as for levelFor */
export function readableRow(table: Shared, user: User, owner?: string): Condition[] {
  return user.isAdmin ? [] : [{ sql: `${levelFor(table, user, owner)} >= ${LEVEL.read}`, values: [] }];
}

/** Rows that are neither trashed nor inside a trashed project. @param owner as for levelFor */
export function notTrashed(table: 'collections' | 'groups', owner?: string): Condition {
  return { sql: `NOT ${IS_TRASHED} AND NOT ${insideTrashSql(table, owner)}`, values: [] };
}

/** Rows that the user may read, by the CTE `readable`. */
export function readableBySet(table: 'collections' | 'groups', user: User): Condition {
  if (table === 'collections')
    return {
      sql: "collections.owner_uuid IN (SELECT uuid FROM readable) OR collections.uuid IN (SELECT uuid FROM granted WHERE class = 'collection')",
      values: [],
    };
  const roles = isPerson(user) ? "groups.group_class = 'role'" : `groups.uuid IN (${subjectsSql(user)})`;
  return { sql: `groups.uuid IN (SELECT uuid FROM readable) OR (${roles})`, values: [] };
}
