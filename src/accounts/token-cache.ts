import { cacheKey, createBoundedMap } from '../keep/bounded-map.ts';
import { boundedToken } from '../keep/token.ts';
import type { Account, Authority } from './account.ts';

const MAX_ENTRIES = 2000;
const MAX_BYTES = 4 * 1024 * 1024;

export interface CachingAuthority extends Authority {
  /** Empties the cache of this isolate, after a token or an account was changed here. Others follow within the TTL. */
  forget(): void;
  /** Whether a token's account is cached; asks no one. */
  knows(token: string): Promise<boolean>;
}

/**
 * Caches accepted tokens for `ttlSeconds`, so that uploads do not ask for every block; a refusal is never cached, and no
 * entry outlives the token's own expiry. A revoked token may be accepted for this long.
 * @param now Unix milliseconds
 */
export function withTokenCache(next: Authority, ttlSeconds: number, now: () => number): CachingAuthority {
  const accounts = createBoundedMap<Account>({
    maxEntries: MAX_ENTRIES,
    maxBytes: MAX_BYTES,
    sizeOf: sizeOfAccount,
    now,
  });
  let changes = 0;
  // A request asks two or three times who its token is.
  let last = { token: '', key: '' };
  const keyOf = async (token: string) => {
    if (last.token !== token) last = { token, key: await cacheKey(token) };
    return last.key;
  };
  return {
    async identify(token, signal) {
      if (boundedToken(token) === '') return null;
      const key = await keyOf(token);
      const cached = accounts.get(key);
      if (cached !== undefined) return cached;
      const asked = now();
      const before = changes;
      const account = await next.identify(token, signal);
      // An answer from before a change here must not outlive it.
      if (account === null || ttlSeconds === 0 || changes !== before) return account;
      accounts.set(key, account, Math.min(asked + ttlSeconds * 1000, account.expiresAt ?? Number.POSITIVE_INFINITY));
      return account;
    },
    async knows(token) {
      return boundedToken(token) !== '' && accounts.get(await keyOf(token)) !== undefined;
    },
    forget() {
      changes++;
      accounts.clear();
    },
  };
}

function sizeOfAccount({ user, scopes }: Account): number {
  const texts = [...scopes, user?.username ?? '', user?.fullName ?? ''];
  return 500 + 2 * texts.reduce((sum, text) => sum + text.length, 0);
}
