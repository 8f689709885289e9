/**
 * What other clusters have lately said yes to: this token may read this block there, as long as the signature that it
 * showed lives. Kept in the isolate only. The key is the full text of both, so that no digest can be made to collide.
 */
export interface Proofs {
  /** @param now Unix seconds */
  has(token: string, signedLocator: string, now: number): boolean;
  /** Forgotten at once when the locator carries no signature whose end we could know. */
  remember(token: string, signedLocator: string): void;
}

const SIGNATURE_EXPIRY = /\+A[0-9a-f]{40}@([0-9a-f]{8})(?=\+|$)/g;

export function createProofs(maxEntries: number): Proofs {
  const expiries = new Map<string, number>();
  const keyOf = (token: string, locator: string) => `${token}\n${locator}`;
  return {
    has(token, locator, now) {
      const expiry = expiries.get(keyOf(token, locator));
      return expiry !== undefined && now < expiry;
    },
    remember(token, locator) {
      const [signature, ...more] = [...locator.matchAll(SIGNATURE_EXPIRY)];
      if (signature?.[1] === undefined || more.length > 0) return;
      const key = keyOf(token, locator);
      expiries.delete(key);
      expiries.set(key, Number.parseInt(signature[1], 16));
      const oldest = expiries.keys().next();
      if (expiries.size > maxEntries && !oldest.done) expiries.delete(oldest.value);
    },
  };
}
