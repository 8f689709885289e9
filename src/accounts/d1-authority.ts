import { equalInConstantTime } from '../keep/constant-time.ts';
import { KeepError } from '../keep/errors.ts';
import { parseToken } from '../keep/token.ts';
import type { Look } from '../records/look.ts';
import { expiryOf, formatTime } from '../records/times.ts';
import type { Account, Authority } from './account.ts';
import { parseRoles, ROLES_SQL } from './memberships.ts';
import { hashSecret } from './tokens.ts';

const USE_STEP_MS = 60_000;

interface TokenRow {
  uuid: string;
  secret_sha256: string;
  scopes: string;
  expires_at: string | null;
  collection_uuid: string | null;
  last_used_at: string | null;
  user_uuid: string;
  is_admin: number;
  is_active: number;
  username: string | null;
  first_name: string;
  last_name: string;
  roles: string;
}

/** An uploader account is inactive while its owner is. */
const IS_ACTIVE = `is_active AND NOT EXISTS (SELECT 1 FROM users AS owners
      WHERE owners.uuid = users.owner_uuid AND users.is_uploader = 1 AND owners.is_active = 0)`;
const FIND = `SELECT tokens.uuid, secret_sha256, scopes, expires_at, collection_uuid, last_used_at, users.uuid AS user_uuid, is_admin, username, first_name, last_name,
    ${ROLES_SQL} AS roles,
    ${IS_ACTIVE} AS is_active
  FROM tokens JOIN users ON users.uuid = tokens.owner_uuid WHERE`;

/**
 * Whether a token that was accepted earlier is still good, and its user active.
 * @param uuid null: the root token, which no table has
 */
export function validTokenLook(db: D1Database, uuid: string | null, now: number): Look<boolean> {
  if (uuid === null) return { statements: [], found: () => true };
  const sql = `SELECT expires_at, ${IS_ACTIVE} AS is_active FROM tokens JOIN users ON users.uuid = tokens.owner_uuid WHERE tokens.uuid = ?`;
  return {
    statements: [db.prepare(sql).bind(uuid)],
    found([rows]) {
      const row = rows?.[0] as Pick<TokenRow, 'expires_at' | 'is_active'> | undefined;
      return row?.is_active === 1 && (row.expires_at === null || Date.parse(row.expires_at) > now);
    },
  };
}

/** What a change is refused with whose token was good when it came. */
export function endedToken(): KeepError {
  return new KeepError('unauthorized', { message: 'Not logged in: the token was revoked or has expired' });
}

export interface D1Authority extends Authority {
  /** The account of a token that has been proved in another way than by its secret; null when it is not good (any more). */
  identifyUuid(uuid: string): Promise<Account | null>;
}

/** The embedded authority: tokens are rows, found by the hash of their secret. A v2 token must name its own row. */
export function createD1Authority(
  db: D1Database,
  now: () => number,
  {
    seesUsers = false,
    later = () => {},
  }: { seesUsers?: boolean /** Keeps the request's context alive. */; later?: (work: Promise<unknown>) => void } = {},
): D1Authority {
  /** When a sharing link was last used, to within a minute. */
  function noteUse({ uuid, last_used_at }: TokenRow): void {
    if (last_used_at !== null && now() - Date.parse(last_used_at) < USE_STEP_MS) return;
    const update = db.prepare('UPDATE tokens SET last_used_at = ? WHERE uuid = ?').bind(formatTime(now()), uuid).run();
    later(update.catch(() => undefined));
  }

  const find = (column: 'secret_sha256' | 'tokens.uuid', value: string) =>
    db
      .prepare(`${FIND} ${column} = ?`)
      .bind(value)
      .first<TokenRow>()
      .catch((cause: unknown) => {
        throw new KeepError('unavailable', { message: 'the account database does not answer: try again', cause });
      });

  function accountOf(row: TokenRow): Account | null {
    const expiresAt = expiryOf(row.expires_at);
    if (expiresAt !== null && expiresAt <= now()) return null;
    if (row.collection_uuid !== null) noteUse(row);
    return toAccount(row, expiresAt, seesUsers);
  }

  return {
    async identify(token) {
      const { uuid, secret } = parseToken(token);
      const hash = await hashSecret(secret);
      const row = await find('secret_sha256', hash);
      if (row === null || !equalInConstantTime(hash, row.secret_sha256)) return null;
      if (uuid !== null && uuid !== row.uuid) return null;
      return accountOf(row);
    },
    async identifyUuid(uuid) {
      const row = await find('tokens.uuid', uuid);
      return row === null ? null : accountOf(row);
    },
  };
}

function toAccount(row: TokenRow, expiresAt: number | null, seesUsers: boolean): Account {
  return {
    user: {
      uuid: row.user_uuid,
      isAdmin: row.is_admin === 1,
      isActive: row.is_active === 1,
      username: row.username ?? '',
      fullName: `${row.first_name} ${row.last_name}`.trim(),
      roles: parseRoles(row.roles),
      seesUsers,
    },
    scopes: JSON.parse(row.scopes) as string[],
    tokenUuid: row.uuid,
    expiresAt,
  };
}
