import { cacheKey, createBoundedMap } from '../keep/bounded-map.ts';

/**
 * What other clusters have accepted lately: this token may read this block there, until the signature that it showed
 * expires. Kept in this isolate only.
 */
export interface Proofs {
  has(token: string, signedLocator: string): Promise<boolean>;
  /** Does nothing when the locator carries no signature, or several: their expiry is unknown. */
  add(token: string, signedLocator: string): Promise<void>;
}

const SIGNATURE_EXPIRY = /\+A[0-9a-f]{40}@([0-9a-f]{8})(?=\+|$)/g;
const MAX_BYTES = 4 * 1024 * 1024;

/** @param now Unix milliseconds */
export function createProofs(maxEntries: number, now: () => number = Date.now): Proofs {
  const proven = createBoundedMap<true>({ maxEntries, maxBytes: MAX_BYTES, sizeOf: () => 0, now });
  return {
    has: async (token, locator) => proven.get(await cacheKey(token, locator)) === true,
    async add(token, locator) {
      const [signature, ...more] = [...locator.matchAll(SIGNATURE_EXPIRY)];
      if (signature?.[1] === undefined || more.length > 0) return;
      proven.set(await cacheKey(token, locator), true, Number.parseInt(signature[1], 16) * 1000);
    },
  };
}
