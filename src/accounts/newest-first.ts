import { IS_TRASHED } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import type { User } from './account.ts';
import { insideTrashSql, levelFor, linkedSql, upwardsSql } from './permission-sql.ts';
import { grantedSql } from './readable-sql.ts';

/** Characters of a stored time and of a UUID: what keys are made of. */
const TIME_LENGTH = 30;
const UUID_LENGTH = 27;
/** Sorts after every UUID: at equal times containers come first. */
const BEFORE_UUIDS = '~';

/**
 * The collections that a user may read, newest first, as the CTE `newest(key, container, level)`. It is read like a queue:
 * SQLite takes the row with the greatest key out of it and puts in what comes after that row, so a page costs a few rows
 * for each record that it has, whatever there is to read.
 *
 * A key is a time, a UUID and a kind: `c` for a collection; `p` for a project or home, at its newest_at, which nothing
 * inside is newer than; `x` for a trashed project. What is taken out brings its successor in the same container, and a
 * container brings the newest of what is inside. A key is null where nothing follows. `level` is what the container passes on.
 * @param before stored time: nothing newer comes out; null for no limit
 */
export function newestFirst(user: User, includeTrash: boolean, before: string | null): Condition {
  const kind = includeTrash ? "'p'" : `CASE WHEN ${IS_TRASHED} THEN 'x' ELSE 'p' END`;
  const containerKey = (table: string) => `${table}.newest_at || '${BEFORE_UUIDS}' || ${table}.uuid`;
  const outsideTrash = (table: 'collections' | 'groups') => (includeTrash ? '' : `AND NOT ${insideTrashSql(table)}`);
  const limit = before === null ? '' : 'AND modified_at <= ?';
  const collection = (where: string) =>
    `(SELECT modified_at || uuid || 'c' FROM collections INDEXED BY collections_owner WHERE owner_uuid = ${where} ORDER BY modified_at DESC, uuid DESC LIMIT 1)`;
  const project = (where: string) =>
    `(SELECT newest_at || '${BEFORE_UUIDS}' || uuid || ${kind} FROM groups INDEXED BY groups_owner WHERE group_class = 'project' AND owner_uuid = ${where} ORDER BY newest_at DESC, uuid DESC LIMIT 1)`;
  const nextCollection = collection(
    `newest.container AND (modified_at, uuid) < (${TIME}, substr(newest.key, ${TIME_LENGTH + 1}, length(newest.key) - ${TIME_LENGTH + 1}))`,
  );
  const nextProject = project(`newest.container AND (newest_at, uuid) < (${TIME}, ${ITEM})`);
  const passedOn = `CASE WHEN ${IS_GRANTED(ITEM)} THEN max(newest.level, ${linkedSql(ITEM, user)}) ELSE newest.level END`;
  const isOpen = "newest.key LIKE '%p'";
  const isListed = 'newest.container IS NOT NULL';
  return {
    sql: `${grantedSql(user)},
  newest(key, container, level) AS (
    SELECT * FROM (
      SELECT ${containerKey('users')} || 'p', NULL, ${levelFor('users', user)} FROM granted CROSS JOIN users ON users.uuid = granted.uuid
        WHERE granted.class = 'user' AND users.newest_at <> ''
      UNION ALL SELECT ${containerKey('groups')} || ${kind}, NULL, ${levelFor('groups', user)} FROM granted CROSS JOIN groups ON groups.uuid = granted.uuid
        WHERE granted.class = 'project' ${outsideTrash('groups')} AND NOT EXISTS (SELECT 1 FROM ancestors WHERE ancestors.uuid = groups.uuid AND ${IS_GRANTED('ancestors.ancestor')})
      UNION ALL SELECT collections.modified_at || collections.uuid || 'c', NULL, ${levelFor('collections', user)} FROM granted CROSS JOIN collections ON collections.uuid = granted.uuid
        WHERE granted.class = 'collection' ${outsideTrash('collections')} AND NOT EXISTS (SELECT 1 FROM (${upwardsSql('collections.owner_uuid')}) AS node WHERE ${IS_GRANTED('node.uuid')})
    )
    UNION ALL SELECT ${collection(`${ITEM} ${limit}`)}, ${ITEM}, ${passedOn} FROM newest WHERE ${isOpen}
    UNION ALL SELECT ${project(ITEM)}, ${ITEM}, ${passedOn} FROM newest WHERE ${isOpen}
    UNION ALL SELECT ${nextCollection}, newest.container, newest.level FROM newest WHERE ${isListed} AND newest.key LIKE '%c'
    UNION ALL SELECT ${nextProject}, newest.container, newest.level FROM newest WHERE ${isListed} AND (newest.key LIKE '%p' OR newest.key LIKE '%x')
    ORDER BY 1 DESC
  )`,
    values: before === null ? [] : [before],
  };
}

/** SQL of the time and of the UUID in a key. */
const TIME = `substr(newest.key, 1, ${TIME_LENGTH})`;
const ITEM = `substr(newest.key, -${UUID_LENGTH + 1}, ${UUID_LENGTH})`;
const IS_GRANTED = (uuid: string) => `${uuid} IN (SELECT uuid FROM granted WHERE class <> 'collection')`;

/** Where the rows of a page come from, and what each is. */
export const NEWEST_COLLECTIONS = {
  from: `newest CROSS JOIN collections ON collections.uuid = ${ITEM}`,
  where: "newest.key LIKE '%c'",
} as const;

/** SQL of the level on a row of NEWEST_COLLECTIONS. */
export function newestLevelSql(user: User): string {
  return `CASE WHEN collections.uuid IN (SELECT uuid FROM granted WHERE class = 'collection') THEN max(newest.level, ${linkedSql('collections.uuid', user)}) ELSE newest.level END`;
}
