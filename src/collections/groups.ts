import type { User } from '../accounts/account.ts';
import { canRead, type Level, requireAtLeast, toLevel, withLevel } from '../accounts/levels.ts';
import { permissionRow } from '../accounts/links.ts';
import { isAnonymous, levelFor } from '../accounts/permission-sql.ts';
import { levelOf } from '../accounts/permissions.ts';
import { notTrashed } from '../accounts/readable-sql.ts';
import { KeepError } from '../keep/errors.ts';
import { type Row, toRecord } from '../records/columns.ts';
import { createUuid, INFIX, isBuiltIn, systemUserUuid } from '../records/ids.ts';
import { selectColumns } from '../records/list-parameters.ts';
import { type ListParameters, type ListResult, listRecords } from '../records/list-query.ts';
import { formatTime } from '../records/times.ts';
import { insertNamed, insertStatement, updateRow } from '../records/write-row.ts';
import { checkAttributes, GroupAttributes, trashTimes } from './attributes.ts';
import type { CollectionsSetup } from './collections.ts';
import { requireOwnerWritable } from './permission.ts';
import { type Finding, findingScope } from './scope.ts';
import { GROUPS } from './tables.ts';

export type Groups = ReturnType<typeof createGroups>;

const COLUMNS = selectColumns(GROUPS, undefined).join(', ');
/** Rows of each table that one step of a take-over moves. */
const TAKE_OVER_STEP = 500;

/** Projects and roles on D1. */
export function createGroups({ db, clusterId, now, trashLifetimeSeconds }: CollectionsSetup) {
  const system = systemUserUuid(clusterId);

  async function find(uuid: string, user: User, includeTrash: boolean): Promise<{ record: Row; level: Level }> {
    const conditions = includeTrash ? [] : [notTrashed('groups')];
    const row = await db
      .prepare(
        `SELECT ${COLUMNS}, ${levelFor('groups', user)} AS permission_level FROM groups WHERE ${['uuid = ?', ...conditions.map(({ sql }) => `(${sql})`)].join(' AND ')}`,
      )
      .bind(uuid)
      .first<Row>();
    if (row === null || !canRead(toLevel(row.permission_level)))
      throw new KeepError('not_found', { message: 'Path not found' });
    return { record: describeGroup(toRecord(GROUPS, row)), level: toLevel(row.permission_level) };
  }

  async function get(uuid: string, user: User, includeTrash = false): Promise<Row> {
    return (await find(uuid, user, includeTrash)).record;
  }

  /** A role is changed by who manages it, a project by who may write to it. */
  async function findToChange(uuid: string, user: User, includeTrash: boolean): Promise<Row> {
    const { record, level } = await find(uuid, user, includeTrash);
    const isRole = record.group_class === 'role';
    // Who has just made a role may still be known without it.
    requireAtLeast(isRole ? await levelOf(db, user, uuid) : level, isRole ? 'manage' : 'write');
    if (isBuiltIn(uuid))
      throw new KeepError('forbidden', { message: 'Forbidden: this group belongs to the system and stays as it is' });
    return record;
  }

  async function columnsOf(attributes: Row, user: User, before: Row | null): Promise<Row> {
    const a = checkAttributes(GroupAttributes, attributes);
    const group_class = a.group_class ?? before?.group_class ?? 'project';
    if (before !== null && group_class !== before.group_class)
      throw new KeepError('invalid_record', { message: 'group_class: it cannot be changed' });
    if (group_class !== 'project' && group_class !== 'role')
      throw new KeepError('invalid_record', { message: 'group_class: this service has projects and roles' });
    if (attributes.frozen_by_uuid !== undefined && attributes.frozen_by_uuid !== null)
      throw new KeepError('invalid_record', { message: 'frozen_by_uuid: this service does not freeze projects' });
    if (group_class === 'role' && a.trash_at)
      throw new KeepError('invalid_record', { message: 'trash_at: a role is deleted, not trashed' });
    const owner = group_class === 'role' ? system : a.owner_uuid;
    if (group_class === 'project' && owner)
      await requireOwnerWritable(db, String(before?.owner_uuid ?? user.uuid), owner, user);
    return {
      group_class,
      ...(owner ? { owner_uuid: owner } : {}),
      ...(a.name === undefined ? {} : { name: a.name || null }),
      ...(a.description === undefined ? {} : { description: a.description }),
      ...(a.properties === undefined ? {} : { properties: a.properties }),
      ...(a.trash_at === undefined ? {} : trashTimes(a.trash_at, a.delete_at, now(), trashLifetimeSeconds)),
      modified_at: formatTime(now()),
      modified_by_user_uuid: user.uuid,
    };
  }

  async function isInside(owner: unknown, uuid: string): Promise<boolean> {
    if (owner === uuid) return true;
    const sql = 'SELECT 1 FROM ancestors WHERE uuid = ? AND ancestor = ?';
    return (await db.prepare(sql).bind(owner, uuid).first()) !== null;
  }

  return {
    get,
    async list(parameters: ListParameters, user: User, includeTrash: boolean, finding: Finding): Promise<ListResult> {
      const scope = await findingScope(finding, 'groups', parameters, user, includeTrash);
      const page = await listRecords(finding.db, GROUPS, parameters, scope);
      return { ...page, items: page.items.map(describeGroup) };
    },
    /** Who makes a role manages it, by a link. */
    async create(attributes: Row, user: User, ensureUniqueName: boolean): Promise<Row> {
      if (isAnonymous(user.uuid)) throw new KeepError('forbidden');
      const uuid = createUuid(clusterId, INFIX.group);
      const row = {
        uuid,
        owner_uuid: user.uuid,
        created_at: formatTime(now()),
        ...(await columnsOf(attributes, user, null)),
      };
      await insertNamed(db, 'groups', row, ensureUniqueName);
      if (row.owner_uuid === system && user.uuid !== system) {
        const link = permissionRow(clusterId, now(), {
          tail: user.uuid,
          head: uuid,
          headClass: 'role',
          level: 'manage',
        });
        await insertStatement(db, 'links', { ...link, modified_by_user_uuid: user.uuid }).run();
        return get(uuid, { ...user, roles: [...(user.roles ?? []), { uuid, level: 3 }] });
      }
      return get(uuid, user);
    },
    async update(uuid: string, attributes: Row, user: User): Promise<Row> {
      const before = await findToChange(uuid, user, false);
      const columns = await columnsOf(attributes, user, before);
      if (columns.owner_uuid !== undefined && (await isInside(columns.owner_uuid, uuid)))
        throw new KeepError('invalid_record', { message: 'ownership cycle: a project cannot be inside itself' });
      await updateRow(db, 'groups', uuid, columns);
      return get(uuid, user, true);
    },
    /**
     * One step of handing what a user owns to another: a project in the other's home takes it all, so that no name meets
     * another. The last step ends the tokens and the permissions of the first user.
     * @throws KeepError invalid_record
     */
    async takeOver(
      from: string,
      to: string,
      admin: User,
    ): Promise<{ project_uuid: string; moved: number; remaining: boolean }> {
      const users = await db
        .prepare('SELECT uuid, username, first_name FROM users WHERE uuid IN (?, ?) AND is_uploader = 0')
        .bind(from, to)
        .all<{ uuid: string; username: string | null; first_name: string }>();
      const leaver = users.results.find(({ uuid }) => uuid === from);
      if (from === to || users.results.length !== 2 || leaver === undefined || isBuiltIn(from) || isBuiltIn(to))
        throw new KeepError('invalid_record', { message: 'name two different users of this cluster' });
      const known = await db
        .prepare("SELECT uuid FROM groups WHERE owner_uuid = ? AND properties ->> '$.transferred_from' = ? LIMIT 1")
        .bind(to, from)
        .first<{ uuid: string }>();
      const name = `Data of ${leaver.username ?? leaver.first_name}`;
      const attributes = { name, owner_uuid: to, properties: { transferred_from: from } };
      const project_uuid = known?.uuid ?? String((await this.create(attributes, admin, true)).uuid);
      const moves = await db.batch([
        ...(['groups', 'collections'] as const).map((table) =>
          db
            .prepare(
              `UPDATE ${table} SET owner_uuid = ? WHERE uuid IN (SELECT uuid FROM ${table} WHERE owner_uuid = ? LIMIT ${TAKE_OVER_STEP}) RETURNING uuid`,
            )
            .bind(project_uuid, from),
        ),
        db
          .prepare('UPDATE users SET owner_uuid = ? WHERE owner_uuid = ? AND is_uploader = 1 RETURNING uuid')
          .bind(to, from),
      ]);
      const moved = moves.reduce((sum, { results }) => sum + results.length, 0);
      const left = await db
        .prepare(
          'SELECT EXISTS (SELECT 1 FROM groups WHERE owner_uuid = ?1) OR EXISTS (SELECT 1 FROM collections WHERE owner_uuid = ?1) AS more',
        )
        .bind(from)
        .first<{ more: number }>();
      const remaining = left?.more === 1;
      if (!remaining)
        await db.batch([
          db.prepare('DELETE FROM tokens WHERE owner_uuid = ?').bind(from),
          db.prepare("DELETE FROM links WHERE tail_uuid = ? AND link_class = 'permission'").bind(from),
        ]);
      return { project_uuid, moved, remaining };
    },
    /** Trashes a project: its contents are hidden until it is untrashed. A role is deleted with all its links. */
    async trash(uuid: string, user: User): Promise<Row> {
      const before = await findToChange(uuid, user, false);
      if (before.group_class === 'role') {
        // The log tells who it was by the row's last state.
        await db.batch([
          db.prepare('UPDATE groups SET modified_by_user_uuid = ? WHERE uuid = ?').bind(user.uuid, uuid),
          db.prepare('DELETE FROM groups WHERE uuid = ?').bind(uuid),
        ]);
        return before;
      }
      await updateRow(db, 'groups', uuid, {
        ...trashTimes(formatTime(now()), null, now(), trashLifetimeSeconds),
        modified_at: formatTime(now()),
        modified_by_user_uuid: user.uuid,
      });
      return get(uuid, user, true);
    },
    async untrash(uuid: string, user: User): Promise<Row> {
      const group = await findToChange(uuid, user, true);
      if (group.trash_at === null)
        throw new KeepError('invalid_record', { message: 'the project is not in the trash' });
      await updateRow(db, 'groups', uuid, {
        trash_at: null,
        delete_at: null,
        modified_at: formatTime(now()),
        modified_by_user_uuid: user.uuid,
      });
      return get(uuid, user);
    },
  };
}

/** A group's record as the API shows it. */
export function describeGroup(record: Row): Row {
  return {
    kind: GROUPS.kind,
    ...withLevel(record),
    ...('name' in record ? { name: record.name ?? '' } : {}),
  };
}
