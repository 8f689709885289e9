import type { User } from '../accounts/account.ts';
import { KeepError } from '../keep/errors.ts';
import { type Row, toRecord } from '../records/columns.ts';
import { createUuid, INFIX } from '../records/ids.ts';
import { selectColumns } from '../records/list-parameters.ts';
import { type ListParameters, type ListResult, listRecords } from '../records/list-query.ts';
import { formatTime } from '../records/times.ts';
import { insertNamed, updateRow } from '../records/write-row.ts';
import { checkAttributes, GroupAttributes, trashTimes } from './attributes.ts';
import type { CollectionsSetup } from './collections.ts';
import { NOT_TRASHED, ownedBy, requireOwnerWritable } from './permission.ts';
import { GROUPS } from './tables.ts';

export type Groups = ReturnType<typeof createGroups>;

const COLUMNS = selectColumns(GROUPS, undefined).join(', ');
/** UNION, not UNION ALL: the walk up ends also if there is a cycle already. */
const IS_INSIDE = `WITH RECURSIVE up(uuid) AS (SELECT ? UNION SELECT groups.owner_uuid FROM groups JOIN up ON groups.uuid = up.uuid)
  SELECT 1 FROM up WHERE uuid = ?`;

/** Projects on D1. */
export function createGroups({ db, clusterId, now, trashLifetimeSeconds }: CollectionsSetup) {
  async function get(uuid: string, user: User, includeTrash = false): Promise<Row> {
    const conditions = [{ sql: 'uuid = ?', values: [uuid] }, ...ownedBy(user), ...(includeTrash ? [] : [NOT_TRASHED])];
    const row = await db
      .prepare(`SELECT ${COLUMNS} FROM groups WHERE ${conditions.map(({ sql }) => `(${sql})`).join(' AND ')}`)
      .bind(...conditions.flatMap(({ values }) => values))
      .first<Row>();
    if (row === null) throw new KeepError('not_found', { message: 'Path not found' });
    return describe(toRecord(GROUPS, row));
  }

  async function columnsOf(attributes: Row, user: User): Promise<Row> {
    const a = checkAttributes(GroupAttributes, attributes);
    if (a.group_class !== undefined && a.group_class !== null && a.group_class !== 'project') {
      throw new KeepError('invalid_record', { message: 'group_class: this service only has projects' });
    }
    if (a.owner_uuid) await requireOwnerWritable(db, a.owner_uuid, user);
    return {
      ...(a.owner_uuid ? { owner_uuid: a.owner_uuid } : {}),
      ...(a.name === undefined ? {} : { name: a.name || null }),
      ...(a.description === undefined ? {} : { description: a.description }),
      ...(a.properties === undefined ? {} : { properties: a.properties }),
      ...(a.trash_at === undefined ? {} : trashTimes(a.trash_at, a.delete_at, now(), trashLifetimeSeconds)),
      modified_at: formatTime(now()),
      modified_by_user_uuid: user.uuid,
    };
  }

  return {
    get,
    async list(parameters: ListParameters, user: User, includeTrash = false): Promise<ListResult> {
      const page = await listRecords(db, GROUPS, parameters, [
        ...ownedBy(user),
        ...(includeTrash ? [] : [NOT_TRASHED]),
      ]);
      return { ...page, items: page.items.map(describe) };
    },
    async create(attributes: Row, user: User, ensureUniqueName: boolean): Promise<Row> {
      const uuid = createUuid(clusterId, INFIX.group);
      const row = {
        uuid,
        owner_uuid: user.uuid,
        created_at: formatTime(now()),
        ...(await columnsOf(attributes, user)),
      };
      await insertNamed(db, 'groups', row, ensureUniqueName);
      return get(uuid, user);
    },
    async update(uuid: string, attributes: Row, user: User): Promise<Row> {
      await get(uuid, user);
      const columns = await columnsOf(attributes, user);
      if (
        typeof columns.owner_uuid === 'string' &&
        (await db.prepare(IS_INSIDE).bind(columns.owner_uuid, uuid).first()) !== null
      ) {
        throw new KeepError('invalid_record', { message: 'ownership cycle: a project cannot be inside itself' });
      }
      await updateRow(db, 'groups', uuid, columns);
      return get(uuid, user, true);
    },
    /** Trashes a project; its contents are hidden until it is untrashed. */
    async trash(uuid: string, user: User): Promise<Row> {
      await get(uuid, user);
      await updateRow(db, 'groups', uuid, {
        ...trashTimes(formatTime(now()), null, now(), trashLifetimeSeconds),
        modified_at: formatTime(now()),
      });
      return get(uuid, user, true);
    },
    async untrash(uuid: string, user: User): Promise<Row> {
      const group = await get(uuid, user, true);
      if (group.trash_at === null)
        throw new KeepError('invalid_record', { message: 'the project is not in the trash' });
      await updateRow(db, 'groups', uuid, { trash_at: null, delete_at: null, modified_at: formatTime(now()) });
      return get(uuid, user);
    },
  };
}

function describe(record: Row): Row {
  const whole = 'uuid' in record;
  return {
    kind: GROUPS.kind,
    ...record,
    ...('name' in record ? { name: record.name ?? '' } : {}),
    ...(whole ? { can_write: true, can_manage: true } : {}),
  };
}
