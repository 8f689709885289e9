import { IS_TRASHED } from '../records/columns.ts';
import { ANONYMOUS_TAIL, EVERYONE_TAIL, isUuid } from '../records/ids.ts';
import type { User } from './account.ts';
import { LEVEL } from './levels.ts';

/**
 * Permissions as SQL, computed from a record upwards: its owner and what is above that (table ancestors), and the links
 * to each of these from the user and the roles that the user is in. What else the user owns does not matter.
 */

/** The tables whose rows can be owned and shared. */
export type Shared = 'collections' | 'groups' | 'users';

/** Whether this is who asks without a token. */
export function isAnonymous(userUuid: string): boolean {
  return userUuid.endsWith(`-tpzed-${ANONYMOUS_TAIL}`);
}

/** The user and their roles as an SQL list. */
export function subjectsSql(user: User): string {
  return [user.uuid, ...(user.roles ?? []).map(({ uuid }) => uuid)].map(quoted).join(', ');
}

/** A UUID of the database's own as an SQL literal: there are more of them than a statement takes parameters. */
export function quoted(uuid: string): string {
  if (!isUuid(uuid)) throw new Error('not a UUID');
  return `'${uuid}'`;
}

/** SQL of the level that the way to a link's tail lets through. */
function tailLevelSql(user: User): string {
  const narrowed = (user.roles ?? []).filter(({ level }) => level < LEVEL.manage);
  if (narrowed.length === 0) return String(LEVEL.manage);
  const cases = narrowed.map(({ uuid, level }) => `WHEN ${quoted(uuid)} THEN ${level}`).join(' ');
  return `CASE links.tail_uuid ${cases} ELSE ${LEVEL.manage} END`;
}

/** An owner and every node above it, as `uuid`. @param owner SQL of a UUID */
export function upwardsSql(owner: string): string {
  return `SELECT ${owner} AS uuid UNION ALL SELECT ancestor FROM ancestors WHERE ancestors.uuid = ${owner}`;
}

/** Most records have no link: one look tells, before each of the user's roles is tried. @param uuid SQL of a UUID */
const IS_SHARED = (uuid: string) =>
  `EXISTS (SELECT 1 FROM links AS shared INDEXED BY links_head WHERE shared.head_uuid = ${uuid} AND shared.link_class = 'permission')`;

const LINKED = (user: User, node: string) =>
  `links.tail_uuid IN (${subjectsSql(user)}) AND links.head_uuid = ${node} AND links.link_class = 'permission'`;

/**
 * SQL of the level that a user has on what an owner owns. A link to a user passes on what that user owns only when it is
 * can_manage.
 * @param owner SQL of a UUID
 */
export function passedOnSql(owner: string, user: User): string {
  const me = quoted(user.uuid);
  return `CASE WHEN ${owner} = ${me} OR EXISTS (SELECT 1 FROM ancestors WHERE ancestors.uuid = ${owner} AND ancestors.ancestor = ${me}) THEN ${LEVEL.manage}
    ELSE coalesce((SELECT max(min(links.level, ${tailLevelSql(user)})) FROM (${upwardsSql(owner)}) AS node
      CROSS JOIN links INDEXED BY links_permission ON ${LINKED(user, 'node.uuid')}
      WHERE ${IS_SHARED('node.uuid')} AND (links.level = ${LEVEL.manage} OR links.head_class <> 'user')), ${LEVEL.none}) END`;
}

/** SQL of the level that links to a record itself give. @param uuid SQL of its UUID */
export function linkedSql(uuid: string, user: User): string {
  return `CASE WHEN ${IS_SHARED(uuid)} THEN coalesce((SELECT max(min(links.level, ${tailLevelSql(user)})) FROM links INDEXED BY links_permission
    WHERE ${LINKED(user, uuid)}), ${LEVEL.none}) ELSE ${LEVEL.none} END`;
}

/** Whether a user is a person with an account: not who asks without a token, and no uploader account. */
export function isPerson(user: User): boolean {
  return (user.roles ?? []).some(({ uuid }) => uuid.endsWith(`-${EVERYONE_TAIL}`));
}

/** SQL of the level on a role: that of the membership. Every person sees every role. */
function roleLevelSql(user: User): string {
  const cases = (user.roles ?? []).map(({ uuid, level }) => ` WHEN ${quoted(uuid)} THEN ${level}`).join('');
  const others = isPerson(user) ? LEVEL.read : LEVEL.none;
  return cases === '' ? String(others) : `CASE groups.uuid${cases} ELSE ${others} END`;
}

/**
 * SQL of the level that a user has on a row: an integer of LEVEL. Trash is not looked at.
 * @param owner SQL of the owner's UUID: a constant, where all rows have the same, is looked at once
 */
export function levelFor(table: Shared, user: User, owner = `${table}.owner_uuid`): string {
  if (user.isAdmin) return String(LEVEL.manage);
  // A user is above what they own, and below an owner only as an uploader account: the ancestors tell.
  const above = table === 'users' ? 'users.uuid' : owner;
  const level = `max(${passedOnSql(above, user)}, ${linkedSql(`${table}.uuid`, user)})`;
  if (table === 'users' && user.seesUsers === true && isPerson(user))
    return `max(${level}, users.is_active = 1 AND users.is_uploader = 0)`;
  if (table !== 'groups') return level;
  return `CASE WHEN groups.group_class = 'role' THEN ${roleLevelSql(user)} ELSE ${level} END`;
}

/** True for what is inside a trashed project, however deep. @param owner as for levelFor */
export function insideTrashSql(table: Shared, owner = `${table}.owner_uuid`): string {
  // The first part is looked at once for a statement: nearly always there is no trashed project at all.
  return `(EXISTS (SELECT 1 FROM groups AS trashed INDEXED BY groups_trashed WHERE ${IS_TRASHED.replaceAll('trash_at', 'trashed.trash_at')})
    AND EXISTS (SELECT 1 FROM (${upwardsSql(table === 'users' ? 'users.uuid' : owner)}) AS node CROSS JOIN groups AS outside INDEXED BY groups_trashed
    ON outside.uuid = node.uuid AND ${IS_TRASHED.replaceAll('trash_at', 'outside.trash_at')}))`;
}
