import { KeepError } from '../keep/errors.ts';
import { type Row, type Table, toRecord } from '../records/columns.ts';
import { createUuid, INFIX, systemUserUuid } from '../records/ids.ts';
import { selectColumns } from '../records/list-parameters.ts';
import { type ListParameters, type ListResult, listRecords, type ReadDatabase } from '../records/list-query.ts';
import { formatTime } from '../records/times.ts';
import { insertRow, updateRow } from '../records/write-row.ts';
import type { User } from './account.ts';
import { withLevel } from './levels.ts';
import { levelColumn, readableRow } from './readable-sql.ts';

export const USERS: Table = {
  name: 'users',
  kind: 'arvados#user',
  columns: {
    uuid: { type: 'text' },
    owner_uuid: { type: 'text' },
    username: { type: 'text' },
    email: { type: 'text' },
    first_name: { type: 'text' },
    last_name: { type: 'text' },
    full_name: { type: 'text', sql: "trim(first_name || ' ' || last_name)" },
    is_admin: { type: 'boolean' },
    is_active: { type: 'boolean' },
    is_invited: { type: 'boolean', sql: 'is_active' },
    is_uploader: { type: 'boolean' },
    prefs: { type: 'object' },
    created_at: { type: 'time' },
    modified_at: { type: 'time' },
    modified_by_user_uuid: { type: 'text' },
  },
};

/** Attributes that a request may set. Only an admin sets more than names and prefs. */
export interface UserAttributes {
  username?: string;
  email?: string;
  first_name?: string;
  last_name?: string;
  is_admin?: boolean;
  is_active?: boolean;
  /** JSON text of an object. */
  prefs?: string;
}

export interface UserStore {
  get(uuid: string, asking: User): Promise<Row>;
  /** @param from where it is read, the database by itself */
  list(parameters: ListParameters, asking: User, from?: ReadDatabase): Promise<ListResult>;
  create(attributes: UserAttributes, asking: User): Promise<Row>;
  /** An account that may only upload, owned by `owner` (docs/operate.md). */
  createUploader(owner: string, name: string, asking: User): Promise<Row>;
  update(uuid: string, attributes: UserAttributes, asking: User): Promise<Row>;
}

/** Users on D1. A user sees themselves and the uploader accounts they own; an admin sees all. */
export function createUserStore(db: D1Database, clusterId: string, now: () => number): UserStore {
  const system = systemUserUuid(clusterId);

  async function get(uuid: string, asking: User): Promise<Row> {
    if (uuid === system && asking.uuid === system) return systemUser(system, now());
    const conditions = readableRow('users', asking).map(({ sql }) => ` AND (${sql})`);
    const row = await db
      .prepare(
        `SELECT ${[...selectColumns(USERS, undefined), ...levelColumn('users', asking, undefined)].join(', ')} FROM users WHERE uuid = ?${conditions.join('')}`,
      )
      .bind(uuid)
      .first<Row>();
    if (row === null) throw new KeepError('not_found', { message: 'Path not found' });
    return describe(toRecord(USERS, row));
  }

  async function insert(fields: Row, asking: User): Promise<Row> {
    const time = formatTime(now());
    const uuid = createUuid(clusterId, INFIX.user);
    await insertRow(db, 'users', {
      uuid,
      owner_uuid: system,
      created_at: time,
      modified_at: time,
      modified_by_user_uuid: asking.uuid,
      ...fields,
    });
    return get(uuid, asking);
  }

  return {
    get,
    async list(parameters, asking, from = db) {
      const scope = {
        conditions: readableRow('users', asking),
        extra: levelColumn('users', asking, parameters.select),
      };
      const page = await listRecords(from, USERS, parameters, scope);
      return { ...page, items: page.items.map(describe) };
    },
    async create(attributes, asking) {
      requireAdmin(asking);
      return insert({ ...toColumns(attributes), username: attributes.username || null }, asking);
    },
    async createUploader(owner, name, asking) {
      if (owner !== asking.uuid) requireAdmin(asking);
      if (owner !== system) await get(owner, asking);
      return insert({ owner_uuid: owner, first_name: name, last_name: '', is_uploader: 1 }, asking);
    },
    async update(uuid, attributes, asking) {
      const user = await get(uuid, asking);
      if (user.can_write !== true) throw new KeepError('forbidden', { message: 'Forbidden: this is another user' });
      const allowed = asking.isAdmin
        ? null
        : user.is_uploader === true && user.can_manage === true
          ? ['first_name', 'last_name', 'is_active']
          : ['first_name', 'last_name', 'prefs'];
      const refused = Object.keys(attributes).find((name) => allowed !== null && !allowed.includes(name));
      if (refused !== undefined)
        throw new KeepError('forbidden', { message: `Forbidden: you may not change ${refused}` });
      await updateRow(db, 'users', uuid, {
        ...toColumns(attributes),
        modified_at: formatTime(now()),
        modified_by_user_uuid: asking.uuid,
      });
      return get(uuid, asking);
    },
  };
}

/** @throws KeepError forbidden */
export function requireAdmin(user: User): void {
  if (!user.isAdmin) throw new KeepError('forbidden', { message: 'Forbidden: only an admin may do this' });
}

function toColumns({ is_admin, is_active, ...texts }: UserAttributes): Row {
  return {
    ...texts,
    ...(is_admin === undefined ? {} : { is_admin: is_admin ? 1 : 0 }),
    ...(is_active === undefined ? {} : { is_active: is_active ? 1 : 0 }),
  };
}

function describe(record: Row): Row {
  return { kind: USERS.kind, ...withLevel(record) };
}

/** The root token's user, which is in no table. */
function systemUser(uuid: string, now: number): Row {
  const time = formatTime(now);
  return {
    kind: USERS.kind,
    uuid,
    owner_uuid: uuid,
    username: 'root',
    email: 'root',
    first_name: 'Root',
    last_name: '',
    full_name: 'Root',
    is_admin: true,
    is_active: true,
    is_invited: true,
    is_uploader: false,
    prefs: {},
    created_at: time,
    modified_at: time,
    modified_by_user_uuid: uuid,
    can_write: true,
    can_manage: true,
  };
}
