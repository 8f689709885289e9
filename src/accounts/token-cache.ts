import type { Account, Authority } from './account.ts';

/** Tokens remembered per isolate; the one remembered longest makes room. */
const MAX_REMEMBERED = 2000;

/** An authority that remembers whom it accepted, so that uploads do not ask for every block. */
export interface RememberingAuthority extends Authority {
  /** Forgets everything in this isolate, after a token or an account was changed here. Others forget within the TTL. */
  forget(): void;
}

/**
 * Remembers accepted tokens for `ttlSeconds`; a refusal is never remembered, and no answer outlives the token's own
 * expiry. This is how long a revoked token may still be let in.
 * @param now Unix milliseconds
 */
export function withTokenCache(next: Authority, ttlSeconds: number, now: () => number): RememberingAuthority {
  const remembered = new Map<string, { account: Account; until: number }>();
  return {
    async identify(token, signal) {
      const found = remembered.get(token);
      if (found !== undefined && now() < found.until) return found.account;
      remembered.delete(token);
      const asked = now();
      const account = await next.identify(token, signal);
      if (account === null || ttlSeconds === 0) return account;
      const oldest = remembered.keys().next();
      if (remembered.size >= MAX_REMEMBERED && !oldest.done) remembered.delete(oldest.value);
      remembered.set(token, {
        account,
        until: Math.min(asked + ttlSeconds * 1000, account.expiresAt ?? Number.POSITIVE_INFINITY),
      });
      return account;
    },
    forget: () => remembered.clear(),
  };
}
