import { KeepError } from '../keep/errors.ts';
import type { Account, Authority, User } from './account.ts';
import { scopesAllow } from './scopes.ts';

/** The part of a request that decides about access. */
export interface Asking {
  /** In the order of docs/protocol/blocks.md#tokens-in-a-request: the first one counts. */
  tokens: readonly string[];
  /** After method override. */
  method: string;
  /** Percent-decoded, without query. */
  path: string;
  signal?: AbortSignal;
}

/**
 * The account of a request's first token, if its scopes allow the request and its user is active. Every request that
 * changes something is checked here first.
 * @throws KeepError no_token, unauthorized (401); forbidden (403)
 */
export async function requireAccount(authority: Authority, asking: Asking): Promise<Account> {
  const token = asking.tokens[0];
  if (token === undefined || token === '') throw new KeepError('no_token');
  const account = await authority.identify(token, asking.signal);
  if (account === null)
    throw new KeepError('unauthorized', { message: 'Not logged in: the token is unknown, revoked or expired' });
  requireScope(account, asking.method, asking.path);
  if (account.user !== null && !account.user.isActive)
    throw new KeepError('forbidden', { message: 'Forbidden: this account is not active' });
  return account;
}

/**
 * Checks that a token may make a request. A request that reads more than its own path names calls it for each record.
 * @throws KeepError forbidden (403)
 */
export function requireScope({ scopes }: Account, method: string, path: string): void {
  if (scopesAllow(scopes, method, path)) return;
  throw new KeepError('forbidden', {
    message: `Forbidden: the token's scopes do not allow ${method} ${scopePath(path)}`,
  });
}

/**
 * requireAccount for requests that act as a user: the token must tell which.
 * @throws KeepError no_token, unauthorized, forbidden
 */
export async function requireUser(authority: Authority, asking: Asking): Promise<User> {
  const { user } = await requireAccount(authority, asking);
  if (user === null)
    throw new KeepError('forbidden', { message: "Forbidden: the token's scopes do not let its user be read" });
  return user;
}

/** A path for an error message: block hints (signatures) are cut off. */
function scopePath(path: string): string {
  return path.replace(/^(\/[0-9a-f]{32}(?:\+\d+)?)\+.*$/, '$1').slice(0, 200);
}
