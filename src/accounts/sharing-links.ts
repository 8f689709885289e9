import { KeepError } from '../keep/errors.ts';
import { type Row, type Table, toRecord } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import { selectColumns } from '../records/list-parameters.ts';
import { type ListParameters, type ListResult, listRecords } from '../records/list-query.ts';
import type { Account, User } from './account.ts';
import { LEVEL, requireAtLeast } from './levels.ts';
import { isAnonymous, levelFor, quoted } from './permission-sql.ts';
import { levelOf } from './permissions.ts';
import { checkExpiry, insertToken, requireCovered } from './tokens.ts';

/** Links that open one collection for who has the address. Rows of `tokens`; the secret is shown once. */
export const SHARING_LINKS: Table = {
  name: 'tokens',
  kind: 'arvados#keepEdgeSharingLink',
  columns: {
    uuid: { type: 'text' },
    owner_uuid: { type: 'text' },
    collection_uuid: { type: 'text' },
    name: { type: 'text' },
    expires_at: { type: 'time' },
    last_used_at: { type: 'time' },
    created_at: { type: 'time' },
    modified_at: { type: 'time' },
    modified_by_user_uuid: { type: 'text' },
  },
};

const COLUMNS = selectColumns(SHARING_LINKS, undefined).join(', ');

export interface SharingLinkAttributes {
  collection_uuid: string;
  name?: string | undefined;
  expires_at?: string | null | undefined;
}

export type SharingLinkStore = ReturnType<typeof createSharingLinkStore>;

/** What the token of a sharing link opens: one record, and with it the files of that collection. */
export function sharingScopes(collectionUuid: string): string[] {
  return [
    `GET /arvados/v1/collections/${collectionUuid}`,
    `GET /arvados/v1/collections/${collectionUuid}/`,
    'GET /arvados/v1/keep_services/accessible',
  ];
}

/**
 * Sharing links on D1. A link reads with the permission of its maker, each time: it ends when the maker loses the
 * collection. Its maker and who manages the collection see and revoke it.
 */
export function createSharingLinkStore(db: D1Database, clusterId: string, now: () => number) {
  async function get(uuid: string, user: User): Promise<Row> {
    const conditions = visibleTo(user).map(({ sql }) => `(${sql})`);
    const row = await db
      .prepare(`SELECT ${COLUMNS} FROM tokens WHERE ${['uuid = ?', ...conditions].join(' AND ')}`)
      .bind(uuid)
      .first<Row>();
    if (row === null) throw new KeepError('not_found', { message: 'Path not found' });
    return describe(toRecord(SHARING_LINKS, row));
  }

  return {
    get,
    /** The new link with `api_token`, its secret. @throws KeepError not_found for a collection that the maker cannot read */
    async create(attributes: SharingLinkAttributes, { user, scopes }: Account): Promise<Row> {
      if (user === null || isAnonymous(user.uuid)) throw new KeepError('forbidden');
      requireCovered(sharingScopes(attributes.collection_uuid), scopes);
      const expiresAt = checkExpiry(attributes.expires_at ?? null);
      if (expiresAt !== null && Date.parse(expiresAt) <= now())
        throw new KeepError('invalid_record', { message: 'expires_at: this time has passed' });
      requireAtLeast(await levelOf(db, user, attributes.collection_uuid), 'read');
      const owner = await db.prepare('SELECT 1 FROM users WHERE uuid = ?').bind(user.uuid).first();
      if (owner === null)
        throw new KeepError('invalid_record', {
          message: 'the root token makes no sharing links: use the token of a user',
        });
      const made = await insertToken(db, clusterId, now(), {
        owner: user.uuid,
        scopes: sharingScopes(attributes.collection_uuid),
        expiresAt,
        by: user.uuid,
        sharing: { collection_uuid: attributes.collection_uuid, name: attributes.name ?? '' },
      });
      return { ...(await get(String(made.uuid), user)), api_token: made.api_token };
    },
    async list(parameters: ListParameters, user: User): Promise<ListResult> {
      const page = await listRecords(db, SHARING_LINKS, parameters, { conditions: visibleTo(user) });
      return { ...page, items: page.items.map(describe) };
    },
    async delete(uuid: string, user: User): Promise<Row> {
      const link = await get(uuid, user);
      await db.prepare('DELETE FROM tokens WHERE uuid = ?').bind(uuid).run();
      return link;
    },
  };
}

function visibleTo(user: User): Condition[] {
  const isLink = { sql: 'tokens.collection_uuid IS NOT NULL', values: [] };
  if (user.isAdmin) return [isLink];
  const manages = `(SELECT ${levelFor('collections', user)} FROM collections WHERE collections.uuid = tokens.collection_uuid) >= ${LEVEL.manage}`;
  return [isLink, { sql: `tokens.owner_uuid = ${quoted(user.uuid)} OR ${manages}`, values: [] }];
}

function describe(record: Row): Row {
  return { kind: SHARING_LINKS.kind, ...record };
}
