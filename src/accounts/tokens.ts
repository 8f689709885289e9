import { KeepError } from '../keep/errors.ts';
import { type Row, type Table, toRecord } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import { createSecret, createUuid, INFIX } from '../records/ids.ts';
import { selectColumns } from '../records/list-parameters.ts';
import { type ListParameters, type ListResult, listRecords } from '../records/list-query.ts';
import { formatTime, normaliseTime } from '../records/times.ts';
import { insertRow, updateRow } from '../records/write-row.ts';
import type { Account, User } from './account.ts';
import { scopeIsCovered } from './scopes.ts';

export const TOKENS: Table = {
  name: 'tokens',
  kind: 'arvados#apiClientAuthorization',
  columns: {
    uuid: { type: 'text' },
    owner_uuid: { type: 'text' },
    scopes: { type: 'array' },
    expires_at: { type: 'time' },
    last_used_at: { type: 'time' },
    created_at: { type: 'time' },
    modified_at: { type: 'time' },
    modified_by_user_uuid: { type: 'text' },
  },
};

/** A scope is `all` or a method and a path. */
const SCOPE = /^(all|[A-Z]+ \/\S*)$/;

export interface TokenAttributes {
  /** Only an admin may name another user. */
  owner_uuid?: string;
  scopes?: string[];
  expires_at?: string | null;
}

export interface TokenStore {
  /** The new token; `api_token` is its secret, which cannot be read again. */
  create(attributes: TokenAttributes, asking: Account): Promise<Row>;
  get(uuid: string, asking: User): Promise<Row>;
  list(parameters: ListParameters, asking: User): Promise<ListResult>;
  update(uuid: string, attributes: TokenAttributes, asking: Account): Promise<Row>;
  /** The record of the revoked token. */
  delete(uuid: string, asking: User): Promise<Row>;
}

/** Tokens on D1. A user sees and revokes their own and those of the uploader accounts they own; an admin all. */
export function createTokenStore(db: D1Database, clusterId: string, now: () => number): TokenStore {
  async function get(uuid: string, asking: User): Promise<Row> {
    const visible = visibleTo(asking);
    const row = await db
      .prepare(
        `SELECT ${selectColumns(TOKENS, undefined).join(', ')} FROM tokens WHERE uuid = ?${visible.map(({ sql }) => ` AND ${sql}`).join('')}`,
      )
      .bind(uuid, ...visible.flatMap(({ values }) => values))
      .first<Row>();
    if (row === null) throw new KeepError('not_found', { message: 'Path not found' });
    return describe(toRecord(TOKENS, row));
  }

  return {
    get,
    async list(parameters, asking) {
      const page = await listRecords(db, TOKENS, parameters, { conditions: visibleTo(asking) });
      return { ...page, items: page.items.map(describe) };
    },
    async create(attributes, asking) {
      const user = owningUser(asking);
      const owner = attributes.owner_uuid ?? user.uuid;
      if (owner !== user.uuid && !user.isAdmin)
        throw new KeepError('forbidden', { message: 'Forbidden: only an admin makes tokens for others' });
      const scopes = checkScopes(attributes.scopes ?? ['all'], asking.scopes);
      const target = await db
        .prepare('SELECT owner_uuid, is_uploader FROM users WHERE uuid = ?')
        .bind(owner)
        .first<{ owner_uuid: string; is_uploader: number }>();
      if (target === null)
        throw new KeepError('invalid_record', {
          message: 'owner_uuid is not a user of this cluster; the root token itself has no tokens',
        });
      if (target.is_uploader === 1)
        throw new KeepError('invalid_record', { message: 'an uploader account gets its token when it is made' });
      return insertToken(db, clusterId, now(), {
        owner,
        scopes,
        expiresAt: checkExpiry(attributes.expires_at ?? null),
        by: user.uuid,
      });
    },
    async update(uuid, attributes, asking) {
      const user = owningUser(asking);
      const before = await get(uuid, user);
      // Also where the scopes stay: a later expiry gives them out anew.
      if (attributes.scopes === undefined) requireCovered(before.scopes as string[], asking.scopes);
      if (attributes.owner_uuid !== undefined && attributes.owner_uuid !== before.owner_uuid)
        throw new KeepError('invalid_record', { message: 'a token keeps its owner' });
      await updateRow(db, 'tokens', uuid, {
        ...(attributes.scopes === undefined
          ? {}
          : { scopes: JSON.stringify(checkScopes(attributes.scopes, asking.scopes)) }),
        ...(attributes.expires_at === undefined ? {} : { expires_at: checkExpiry(attributes.expires_at) }),
        modified_at: formatTime(now()),
        modified_by_user_uuid: user.uuid,
      });
      return get(uuid, user);
    },
    async delete(uuid, asking) {
      const record = await get(uuid, asking);
      await db.prepare('DELETE FROM tokens WHERE uuid = ?').bind(uuid).run();
      return record;
    },
  };
}

/** A new token's record with its secret. The caller checks permission. */
export async function insertToken(
  db: D1Database,
  clusterId: string,
  now: number,
  {
    owner,
    scopes,
    expiresAt,
    by,
    sharing = {},
  }: { owner: string; scopes: string[]; expiresAt: string | null; by: string; sharing?: Row },
): Promise<Row> {
  const uuid = createUuid(clusterId, INFIX.token);
  const secret = createSecret();
  const time = formatTime(now);
  const row = {
    uuid,
    owner_uuid: owner,
    scopes: JSON.stringify(scopes),
    expires_at: expiresAt,
    created_at: time,
    modified_at: time,
    modified_by_user_uuid: by,
  };
  await insertRow(db, 'tokens', { ...row, ...sharing, secret_sha256: await hashSecret(secret) });
  return describe({ ...toRecord(TOKENS, row), api_token: secret });
}

/** @throws KeepError forbidden for a token whose user is unknown */
export function owningUser({ user }: Account): User {
  if (user === null) throw new KeepError('forbidden');
  return user;
}

function checkScopes(scopes: unknown, own: string[]): string[] {
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string' && SCOPE.test(scope))) {
    throw new KeepError('invalid_record', {
      message: 'scopes are "all" or a method and a path, such as "GET /arvados/v1/collections/"',
    });
  }
  requireCovered(scopes, own);
  return scopes;
}

/**
 * A token with limited scopes gives out only scopes that it has: otherwise it could widen itself.
 * @throws KeepError forbidden
 */
export function requireCovered(scopes: readonly string[], own: readonly string[]): void {
  if (scopes.every((scope) => scopeIsCovered(scope, own))) return;
  throw new KeepError('forbidden', {
    message: 'Forbidden: a token with limited scopes cannot give out more than it has',
  });
}

/** A token's expiry in the stored form. @throws KeepError invalid_record */
export function checkExpiry(time: string | null): string | null {
  if (time === null || time === '') return null;
  const normal = normaliseTime(time);
  if (normal === null)
    throw new KeepError('invalid_record', {
      message: 'expires_at is a time such as 2030-01-31T12:00:00Z, in the years 1 to 9999',
    });
  return normal;
}

function visibleTo(asking: User): Condition[] {
  if (asking.isAdmin) return [];
  return [
    {
      sql: '(owner_uuid = ? OR owner_uuid IN (SELECT uuid FROM users WHERE owner_uuid = ? AND is_uploader = 1))',
      values: [asking.uuid, asking.uuid],
    },
  ];
}

function describe(record: Row): Row {
  return { kind: TOKENS.kind, ...record };
}
/** Hex SHA-256 of a token's secret, stored in its place. Secrets are random: no salt and no slow hash is needed. */
export async function hashSecret(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
