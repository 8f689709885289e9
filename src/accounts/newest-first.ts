import { IS_TRASHED } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import type { User } from './account.ts';
import { insideTrashSql } from './permission-sql.ts';
import { grantedSql } from './readable-sql.ts';

/**
 * The collections that a user may read, newest first, as the CTE `newest(kind, item, at, container)` with kind 'c' for
 * them. It is read like a queue: SQLite takes the row with the latest time out of it and puts in what comes after that
 * row, so a page costs about as many rows as it has, whatever there is to read.
 *
 * A container (a project or home, kind 'p') is in the queue at its newest_at, which nothing inside is newer than. Once it
 * is taken out, its newest collection, its newest inner project and its next sibling go in; a collection brings its
 * successor in the same container. At equal times containers go first, so the order is exact.
 * @param before stored time: nothing newer comes out; null for no limit
 */
export function newestFirst(user: User, includeTrash: boolean, before: string | null): Condition {
  const granted = grantedSql(user);
  const shown = (alias: string) =>
    includeTrash ? "'p'" : `CASE WHEN ${IS_TRASHED.replaceAll('trash_at', `${alias}.trash_at`)} THEN 'x' ELSE 'p' END`;
  const outsideTrash = (table: 'collections' | 'groups') => (includeTrash ? '' : ` AND NOT ${insideTrashSql(table)}`);
  const limit = before === null ? '' : 'AND modified_at <= ?';
  return {
    sql: `${granted},
  newest(kind, item, at, container) AS (
    SELECT * FROM (
      SELECT 'p', users.uuid, users.newest_at, NULL FROM granted CROSS JOIN users ON users.uuid = granted.uuid WHERE granted.class = 'user'
      UNION ALL SELECT ${shown('groups')}, groups.uuid, groups.newest_at, NULL FROM granted CROSS JOIN groups ON groups.uuid = granted.uuid
        WHERE granted.class = 'project'${outsideTrash('groups')}
        AND NOT EXISTS (SELECT 1 FROM ancestors WHERE ancestors.uuid = groups.uuid AND ancestors.ancestor IN (SELECT uuid FROM granted WHERE class <> 'collection'))
      UNION ALL SELECT 'c', collections.uuid, collections.modified_at, NULL FROM granted CROSS JOIN collections ON collections.uuid = granted.uuid
        WHERE granted.class = 'collection'${outsideTrash('collections')}
        AND NOT EXISTS (SELECT 1 FROM (SELECT collections.owner_uuid AS uuid UNION ALL SELECT ancestor FROM ancestors WHERE ancestors.uuid = collections.owner_uuid) AS node
          WHERE node.uuid IN (SELECT uuid FROM granted WHERE class <> 'collection'))
    )
    UNION ALL SELECT 'c', first.uuid, first.modified_at, newest.item FROM newest CROSS JOIN collections AS first
      ON first.rowid = (SELECT rowid FROM collections INDEXED BY collections_owner WHERE owner_uuid = newest.item ${limit} ORDER BY modified_at DESC, uuid DESC LIMIT 1)
      WHERE newest.kind = 'p'
    UNION ALL SELECT 'c', next.uuid, next.modified_at, newest.container FROM newest CROSS JOIN collections AS next
      ON next.rowid = (SELECT rowid FROM collections INDEXED BY collections_owner WHERE owner_uuid = newest.container AND (modified_at, uuid) < (newest.at, newest.item) ORDER BY modified_at DESC, uuid DESC LIMIT 1)
      WHERE newest.kind = 'c' AND newest.container IS NOT NULL
    UNION ALL SELECT ${shown('inside')}, inside.uuid, inside.newest_at, newest.item FROM newest CROSS JOIN groups AS inside
      ON inside.rowid = (SELECT rowid FROM groups INDEXED BY groups_owner WHERE owner_uuid = newest.item AND group_class = 'project' ORDER BY newest_at DESC, uuid DESC LIMIT 1)
      WHERE newest.kind = 'p'
    UNION ALL SELECT ${shown('beside')}, beside.uuid, beside.newest_at, newest.container FROM newest CROSS JOIN groups AS beside
      ON beside.rowid = (SELECT rowid FROM groups INDEXED BY groups_owner WHERE owner_uuid = newest.container AND group_class = 'project' AND (newest_at, uuid) < (newest.at, newest.item) ORDER BY newest_at DESC, uuid DESC LIMIT 1)
      WHERE newest.kind <> 'c' AND newest.container IS NOT NULL
    ORDER BY 3 DESC, 1 DESC, 2 DESC
  )`,
    values: before === null ? [] : [before],
  };
}
