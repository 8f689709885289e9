import { waitUntil } from 'cloudflare:workers';
import type { Authority, User } from '../accounts/account.ts';
import type { NearReads } from '../accounts/near-reads.ts';
import { quoted } from '../accounts/permission-sql.ts';
import { notTrashed, readableRow } from '../accounts/readable-sql.ts';
import { scopesAllow } from '../accounts/scopes.ts';
import { isKeepError, KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import { INFIX, isUuid, systemUserUuid } from '../records/ids.ts';
import { createJoinedReads } from '../records/joined-reads.ts';
import { listRecords } from '../records/list-query.ts';
import type { Collection } from './collection-row.ts';
import { type Collections, type CollectionsSetup, textOf } from './collections.ts';
import { createMetadataReader } from './file-metadata.ts';
import { scopeOf } from './scope.ts';
import type { CollectionSource, Entry, OpenCollection } from './source.ts';
import { COLLECTIONS, GROUPS } from './tables.ts';

const PAGE = 1000;
/** What is asked of a collection whose files are read. */
const OPENED = ['portable_data_hash', 'owner_uuid', 'name', 'modified_at', 'created_at'];
const HOMES = 'SELECT uuid, username FROM users WHERE username IS NOT NULL AND uuid <> ?';

/** Collections on D1. The token's scopes must allow the API request that returns the same. */
export function createD1Source(
  { db, clusterId }: CollectionsSetup,
  collections: Collections,
  authority: Authority,
  near: NearReads,
): CollectionSource {
  const joined = createJoinedReads<Collection>(waitUntil);
  const homesOf = async (user: User, condition: Condition): Promise<{ uuid: string; username: string }[]> =>
    near.read(async (from) => {
      const homes = from
        .prepare(`${HOMES}${homesFor(user)} AND ${condition.sql} ORDER BY uuid LIMIT ${PAGE}`)
        .bind(systemUserUuid(clusterId), ...condition.values);
      const [page] = await from.batch<{ uuid: string; username: string }>([homes]);
      return page?.results ?? [];
    });

  /** Null when the scopes do not reach the path. A deactivated user's token is no better than an unknown one. */
  const userFor = async (token: string, path: string, signal?: AbortSignal): Promise<User | null> => {
    if (token === '') throw new KeepError('no_token');
    const account = await authority.identify(token, signal);
    if (account === null || account.user?.isActive === false) throw new KeepError('unauthorized');
    return scopesAllow(account.scopes, 'GET', path) ? account.user : null;
  };

  async function entries(user: User, ownerUuid: string, conditions: Condition[], after: string): Promise<Entry[]> {
    const owner = quoted(ownerUuid);
    const where = (table: 'collections' | 'groups') =>
      [
        'owner_uuid = ?',
        ...[...readableRow(table, user, owner), notTrashed(table, owner), ...conditions].map(({ sql }) => `(${sql})`),
      ].join(' AND ');
    const values = [ownerUuid, ...conditions.flatMap((condition) => condition.values)];
    const { results } = await db
      .prepare(
        `SELECT uuid, name, modified_at, created_at, portable_data_hash FROM collections WHERE ${where('collections')} AND uuid > ?
         UNION ALL SELECT uuid, name, modified_at, created_at, NULL FROM groups WHERE ${where('groups')} AND group_class = 'project' AND uuid > ? ORDER BY uuid LIMIT ${PAGE}`,
      )
      .bind(...values, after, ...values, after)
      .all<Row>();
    return results.map(toEntry);
  }

  return {
    async open(id, token, signal) {
      const user = await userFor(token, `/arvados/v1/collections/${id}`, signal);
      if (user === null) return null;
      const find = () => collections.find(id, user, { select: OPENED });
      return nullIfMissing(async () => toOpen(id, user, await joined(user, id, find)));
    },

    metadata: createMetadataReader(db),

    async describe(uuid, token, signal) {
      const user = await userFor(token, `/arvados/v1/collections/${uuid}`, signal);
      const found = user && (await nullIfMissing(() => collections.find(uuid, user)));
      if (!found) return null;
      const { description, properties, created_at, modified_by_user_uuid: by } = found.record;
      const mayKnow =
        (user.isAdmin || by === user.uuid) && (await userFor(token, `/arvados/v1/users/${by}`, signal)) !== null;
      const row = mayKnow
        ? await db
            .prepare('SELECT uuid, email, username, first_name, last_name FROM users WHERE uuid = ?')
            .bind(String(by))
            .first<Record<'uuid' | 'email' | 'username' | 'first_name' | 'last_name', string>>()
        : null;
      return {
        description: typeof description === 'string' ? description : null,
        properties: typeof properties === 'string' ? JSON.parse(properties) : ((properties as unknown as object) ?? {}),
        created_at: typeof created_at === 'string' ? created_at : null,
        modified_by_user: row && {
          email: row.email,
          full_name: `${row.first_name} ${row.last_name}`.trim(),
          username: row.username ?? '',
          uuid: row.uuid,
        },
      };
    },

    async project(uuid, token, signal) {
      if (!isUuid(uuid, INFIX.group)) return null;
      const user = await userFor(token, `/arvados/v1/groups/${uuid}`, signal);
      if (user === null) return null;
      const conditions = [...readableRow('groups', user), notTrashed('groups')].map(({ sql }) => `(${sql})`);
      const row = await db
        .prepare(
          `SELECT uuid, name, modified_at, created_at FROM groups WHERE uuid = ? AND group_class = 'project' AND ${conditions.join(' AND ')}`,
        )
        .bind(uuid)
        .first<Row>();
      return row === null ? null : toEntry(row);
    },

    async *contents(ownerUuid, token, signal) {
      const user = await userFor(token, `/arvados/v1/groups/${ownerUuid}/contents`, signal);
      let after = '';
      while (user !== null) {
        const page = await entries(user, ownerUuid, [], after);
        yield* page;
        if (page.length < PAGE) return;
        after = page.at(-1)?.uuid ?? '';
      }
    },

    async visible(kind, after, limit, token, signal) {
      const isCollection = kind === 'collection';
      const user = await userFor(token, `/arvados/v1/${isCollection ? 'collections' : 'groups'}`, signal);
      if (user === null) return [];
      const asked = {
        filters: [['uuid', '>', after], ...(isCollection ? [] : [['group_class', '=', 'project']])],
        select: [
          'uuid',
          'name',
          'owner_uuid',
          'created_at',
          'modified_at',
          ...(isCollection ? ['portable_data_hash'] : []),
        ],
        order: 'uuid',
        limit,
        count: 'none',
      };
      const { items } = await listRecords(
        db,
        isCollection ? COLLECTIONS : GROUPS,
        asked,
        scopeOf(isCollection ? 'collections' : 'groups', asked, user, false),
      );
      return items.map((row) => ({ ...toEntry(row), ownerUuid: String(row.owner_uuid) }));
    },

    async child(ownerUuid, name, token, signal, kind) {
      const user = await userFor(token, `/arvados/v1/groups/${ownerUuid}/contents`, signal);
      if (user === null) return null;
      const found = await entries(user, ownerUuid, [{ sql: 'name = ?', values: [name] }], '');
      const order = kind === undefined ? ['project', 'collection'] : [kind];
      return order.map((wanted) => found.find((entry) => entry.kind === wanted)).find(Boolean) ?? null;
    },

    async homes(token, signal) {
      const user = await userFor(token, '/arvados/v1/users', signal);
      if (user === null) return [];
      const homes = await homesOf(user, { sql: '1', values: [] });
      return homes.map((home) => ({ ...home, own: home.uuid === user.uuid }));
    },

    async home(username, token, signal) {
      const user = await userFor(token, '/arvados/v1/users', signal);
      if (user === null) return null;
      const [home] = await homesOf(user, { sql: 'username = ?', values: [username] });
      return home === undefined ? null : { ...home, own: home.uuid === user.uuid };
    },
  };

  function toOpen(id: string, user: User, collection: Collection): OpenCollection {
    const { record } = collection;
    return {
      uuid: isUuid(id) ? String(record.uuid) : null,
      portableDataHash: String(record.portable_data_hash),
      ownerUuid: String(record.owner_uuid),
      name: String(record.name),
      modifiedAt: String(record.modified_at),
      createdAt: typeof record.created_at === 'string' ? record.created_at : null,
      revision: collection.revision,
      hasMetadata: isUuid(id) && collection.hasMetadata,
      manifest: () => textOf(collections, collection, user),
    };
  }
}

/** Condition on the users whose homes the user may list. */
function homesFor(user: User): string {
  return readableRow('users', user)
    .map(({ sql }) => ` AND (${sql})`)
    .join('');
}

function toEntry(row: Row): Entry {
  const hash = row.portable_data_hash;
  return {
    kind: typeof hash === 'string' ? 'collection' : 'project',
    uuid: String(row.uuid),
    name: String(row.name ?? ''),
    modifiedAt: String(row.modified_at),
    createdAt: String(row.created_at),
    portableDataHash: typeof hash === 'string' ? hash : null,
  };
}

async function nullIfMissing<T>(find: () => Promise<T>): Promise<T | null> {
  try {
    return await find();
  } catch (error) {
    if (isKeepError(error, 'not_found')) return null;
    throw error;
  }
}
