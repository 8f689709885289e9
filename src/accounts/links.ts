import { KeepError } from '../keep/errors.ts';
import { type Row, type Table, toRecord } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import { ANONYMOUS_TAIL, createUuid, INFIX, systemUserUuid } from '../records/ids.ts';
import { selectColumns } from '../records/list-parameters.ts';
import { type ListParameters, type ListResult, listRecords, type Scope } from '../records/list-query.ts';
import { formatTime } from '../records/times.ts';
import { insertStatement, updateRow } from '../records/write-row.ts';
import type { User } from './account.ts';
import { LEVEL, type Level, requireAtLeast } from './levels.ts';
import { isAnonymous, levelFor, quoted } from './permission-sql.ts';
import { type Head, headOf } from './permissions.ts';
import { readableSql } from './readable-sql.ts';

const KIND_SQL = (uuid: string) =>
  `CASE substr(${uuid}, 7, 5) WHEN 'tpzed' THEN 'arvados#user' WHEN 'j7d0g' THEN 'arvados#group' WHEN '4zz18' THEN 'arvados#collection' ELSE '' END`;

export const LINKS: Table = {
  name: 'links',
  kind: 'arvados#link',
  columns: {
    uuid: { type: 'text' },
    owner_uuid: { type: 'text' },
    link_class: { type: 'text' },
    name: { type: 'text' },
    tail_uuid: { type: 'text' },
    head_uuid: { type: 'text' },
    tail_kind: { type: 'text', sql: KIND_SQL('tail_uuid') },
    head_kind: { type: 'text', sql: KIND_SQL('head_uuid') },
    properties: { type: 'object' },
    created_at: { type: 'time' },
    modified_at: { type: 'time' },
    modified_by_user_uuid: { type: 'text' },
  },
};

/** Names of permission links, and what they grant. */
const NAMES = new Map<string, Level>([
  ['can_read', 'read'],
  ['can_write', 'write'],
  ['can_manage', 'manage'],
]);
const PERMISSION = 'permission';
const COLUMNS = selectColumns(LINKS, undefined).join(', ');

export interface LinkAttributes {
  link_class?: string;
  name?: string;
  tail_uuid?: string;
  head_uuid?: string;
  properties?: Record<string, unknown>;
}

export type LinkStore = ReturnType<typeof createLinkStore>;

/** A new permission link as a row of `links`. @param now Unix milliseconds */
export function permissionRow(
  clusterId: string,
  now: number,
  { tail, head, headClass, level }: { tail: string; head: string; headClass: Head['class']; level: Level },
): Row {
  const time = formatTime(now);
  return {
    uuid: createUuid(clusterId, INFIX.link),
    owner_uuid: systemUserUuid(clusterId),
    link_class: PERMISSION,
    name: `can_${level}`,
    tail_uuid: tail,
    head_uuid: head,
    head_class: headClass,
    level: LEVEL[level],
    properties: '{}',
    created_at: time,
    modified_at: time,
    modified_by_user_uuid: systemUserUuid(clusterId),
  };
}

/**
 * Links on D1. A permission link is read by who manages its head and by the user that is its tail, and changed by the
 * former. A star is its owner's alone; other classes are read by who reads the head, and changed by their owner.
 */
export function createLinkStore(db: D1Database, clusterId: string, now: () => number) {
  async function get(uuid: string, user: User): Promise<Row> {
    const conditions = visibleTo(user).map(({ sql }) => ` AND (${sql})`);
    const row = await db
      .prepare(`SELECT ${COLUMNS} FROM links WHERE uuid = ?${conditions.join('')}`)
      .bind(uuid)
      .first<Row>();
    if (row === null) throw new KeepError('not_found', { message: 'Path not found' });
    return describe(toRecord(LINKS, row));
  }

  /** @throws KeepError forbidden for who may see the link only */
  async function getToChange(uuid: string, user: User): Promise<Row> {
    const link = await get(uuid, user);
    if (link.link_class === PERMISSION) {
      const head = await headOf(db, user, String(link.head_uuid));
      if (head !== null) requireAtLeast(head.level, 'manage');
    } else if (link.owner_uuid !== user.uuid && !user.isAdmin) throw new KeepError('forbidden');
    return link;
  }

  async function createPermission(attributes: LinkAttributes, user: User): Promise<Row> {
    const level = levelNamed(attributes.name);
    const { tail_uuid: tail = '', head_uuid: uuid = '' } = attributes;
    const head = await headOf(db, user, uuid);
    if (head === null || head.level === 'none') throw missing('head_uuid');
    requireAtLeast(head.level, 'manage');
    await checkTail(tail, user);
    if (tail === uuid) throw invalid('head_uuid: a link leads to another record than its tail');
    if (tail.endsWith(`-${ANONYMOUS_TAIL}`) && level !== 'read')
      throw invalid('name: the public may only read, so this must be can_read');
    const row = {
      ...permissionRow(clusterId, now(), { tail, head: uuid, headClass: head.class, level }),
      modified_by_user_uuid: user.uuid,
      properties: JSON.stringify(attributes.properties ?? {}),
    };
    // There is one for each tail and head: making a second keeps the higher level.
    const known = await db
      .prepare(
        `${insertSql(row)} ON CONFLICT (tail_uuid, head_uuid) WHERE link_class = 'permission' DO UPDATE
         SET name = CASE WHEN excluded.level > level THEN excluded.name ELSE name END, level = max(level, excluded.level),
         modified_at = excluded.modified_at, modified_by_user_uuid = excluded.modified_by_user_uuid RETURNING uuid`,
      )
      .bind(...Object.values(row))
      .first<{ uuid: string }>();
    return find(String(known?.uuid));
  }

  async function find(uuid: string): Promise<Row> {
    const row = await db.prepare(`SELECT ${COLUMNS} FROM links WHERE uuid = ?`).bind(uuid).first<Row>();
    return describe(toRecord(LINKS, row ?? {}));
  }

  /** A tail is an active user or a role that the maker can see. */
  async function checkTail(tail: string, user: User): Promise<void> {
    const found = await headOf(db, user, tail);
    if (found === null || found.level === 'none') throw missing('tail_uuid');
    if (found.class !== 'user' && found.class !== 'role')
      throw invalid('tail_uuid: only users and roles are given permission');
  }

  async function createOther(attributes: LinkAttributes, user: User): Promise<Row> {
    const { link_class = '', name = '', tail_uuid = user.uuid, head_uuid = '' } = attributes;
    if (link_class === '') throw invalid('link_class: name one, such as permission, star or tag');
    if (isAnonymous(user.uuid)) throw new KeepError('forbidden');
    if (head_uuid !== '') {
      const head = await headOf(db, user, head_uuid);
      if (head === null || head.level === 'none') throw missing('head_uuid');
    }
    const uuid = createUuid(clusterId, INFIX.link);
    const time = formatTime(now());
    const row = {
      uuid,
      owner_uuid: user.uuid,
      link_class,
      name,
      tail_uuid,
      head_uuid,
      properties: JSON.stringify(attributes.properties ?? {}),
      created_at: time,
      modified_at: time,
      modified_by_user_uuid: user.uuid,
    };
    await insertStatement(db, 'links', row).run();
    return find(uuid);
  }

  return {
    get,
    create: (attributes: LinkAttributes, user: User): Promise<Row> =>
      attributes.link_class === PERMISSION ? createPermission(attributes, user) : createOther(attributes, user),

    /** Only the level and the properties of a permission link change. */
    async update(uuid: string, attributes: LinkAttributes, user: User): Promise<Row> {
      const link = await getToChange(uuid, user);
      for (const name of ['link_class', 'tail_uuid', 'head_uuid'] as const) {
        if (attributes[name] !== undefined && attributes[name] !== link[name])
          throw invalid(`${name}: it cannot be changed: delete the link and make another`);
      }
      const isPermission = link.link_class === PERMISSION;
      if (
        isPermission &&
        String(link.tail_uuid).endsWith(`-${ANONYMOUS_TAIL}`) &&
        (attributes.name ?? 'can_read') !== 'can_read'
      )
        throw invalid('name: the public may only read, so this must be can_read');
      await updateRow(db, 'links', uuid, {
        ...(attributes.name === undefined ? {} : { name: attributes.name }),
        ...(attributes.name === undefined || !isPermission ? {} : { level: LEVEL[levelNamed(attributes.name)] }),
        ...(attributes.properties === undefined ? {} : { properties: JSON.stringify(attributes.properties) }),
        modified_at: formatTime(now()),
        modified_by_user_uuid: user.uuid,
      });
      return find(uuid);
    },
    async delete(uuid: string, user: User): Promise<Row> {
      const link = await getToChange(uuid, user);
      await db.prepare('DELETE FROM links WHERE uuid = ?').bind(uuid).run();
      return link;
    },
    async list(parameters: ListParameters, user: User): Promise<ListResult> {
      const page = await listRecords(db, LINKS, parameters, listScope(parameters, user));
      return { ...page, items: page.items.map(describe) };
    },
    /** Takes a user out of every role. The caller has checked that it may. */
    async endMemberships(user: string): Promise<void> {
      const sql = "DELETE FROM links WHERE tail_uuid = ? AND link_class = 'permission' AND head_class = 'role'";
      await db.prepare(sql).bind(user).run();
    },
    /** All permission links to a record, for who manages it. @throws KeepError not_found, forbidden */
    async permissionsOf(uuid: string, parameters: ListParameters, user: User): Promise<ListResult> {
      const head = await headOf(db, user, uuid);
      requireAtLeast(head?.level ?? 'none', 'manage');
      const conditions: Condition[] = [{ sql: "head_uuid = ? AND link_class = 'permission'", values: [uuid] }];
      const page = await listRecords(db, LINKS, parameters, { conditions });
      return { ...page, items: page.items.map(describe) };
    },
  };
}

/** A level for the head of a link, whatever it is. */
const HEAD_LEVEL = (user: User) =>
  `CASE substr(links.head_uuid, 7, 5)${(['collections', 'groups', 'users'] as const)
    .map(
      (table) =>
        ` WHEN '${INFIX_OF[table]}' THEN (SELECT ${levelFor(table, user)} FROM ${table} WHERE ${table}.uuid = links.head_uuid)`,
    )
    .join('')} ELSE 0 END`;
const INFIX_OF = { collections: INFIX.collection, groups: INFIX.group, users: INFIX.user };

function visibleTo(user: User): Condition[] {
  if (user.isAdmin) return [];
  const me = quoted(user.uuid);
  return [
    {
      sql: `links.tail_uuid = ${me} OR links.owner_uuid = ${me} OR (links.link_class <> 'star'
        AND ${HEAD_LEVEL(user)} >= CASE links.link_class WHEN 'permission' THEN ${LEVEL.manage} ELSE ${LEVEL.read} END)`,
      values: [],
    },
  ];
}

const SELECTIVE = new Set(['uuid', 'head_uuid', 'tail_uuid', 'owner_uuid']);

/** Without a filter that names few links, those to look at are found through what the user may read. */
function listScope({ filters }: ListParameters, user: User): Scope {
  const conditions = visibleTo(user);
  const few =
    Array.isArray(filters) &&
    filters.some(
      (filter) => Array.isArray(filter) && SELECTIVE.has(String(filter[0])) && ['=', 'in'].includes(String(filter[1])),
    );
  if (user.isAdmin || few) return { conditions };
  const me = quoted(user.uuid);
  const near = `links.tail_uuid = ${me} OR links.owner_uuid = ${me}
    OR links.head_uuid IN (SELECT uuid FROM readable UNION SELECT uuid FROM granted
      UNION SELECT collections.uuid FROM collections WHERE collections.owner_uuid IN (SELECT uuid FROM readable))
    OR links.head_uuid IN (SELECT uuid FROM groups WHERE group_class = 'role')`;
  return { ctes: readableSql(user, true), conditions: [{ sql: near, values: [] }, ...conditions] };
}

function insertSql(row: Row): string {
  const names = Object.keys(row);
  return `INSERT INTO links (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
}

function levelNamed(name: string | undefined): Level {
  const level = NAMES.get(name ?? '');
  if (level === undefined) throw invalid('name: a permission is can_read, can_write or can_manage');
  return level;
}

function missing(attribute: string): KeepError {
  return invalid(`${attribute}: not found`);
}

function invalid(message: string): KeepError {
  return new KeepError('invalid_record', { message });
}

function describe(record: Row): Row {
  return { kind: LINKS.kind, ...record };
}
