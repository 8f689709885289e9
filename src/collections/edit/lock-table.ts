import type { Edit } from './edits.ts';
import { endedBy, type Lock } from './locks.ts';

/** Locks that one collection may have at a time. */
export const MAX_LOCKS = 1000;

/** The methods used of a Durable Object's storage. */
export interface LockStorage {
  list<T>(options: { prefix: string }): Promise<Map<string, T>>;
  put<T>(key: string, value: T): Promise<void>;
  delete(keys: string[]): Promise<number>;
}

const PREFIX = 'lock:';

/** The locks of one collection, kept by its Durable Object: they survive restarts. */
export interface LockTable {
  /** Reads the locks once; `current` shows them from then on. */
  load(): Promise<void>;
  /** Those that have not expired. */
  current(): Lock[];
  save(lock: Lock): Promise<void>;
  remove(tokens: string[]): Promise<void>;
  /** Ends the locks of what these edits took away. */
  follow(edits: readonly Edit[]): Promise<void>;
}

/** @param now Unix milliseconds */
export function createLockTable(storage: LockStorage, now: () => number): LockTable {
  let locks: Map<string, Lock> | null = null;
  const inForce = () => [...(locks ?? new Map<string, Lock>()).values()].filter(({ expiresAt }) => expiresAt > now());
  const remove = async (tokens: string[]) => {
    if (tokens.length === 0) return;
    for (const token of tokens) locks?.delete(token);
    for (let i = 0; i < tokens.length; i += 128)
      await storage.delete(tokens.slice(i, i + 128).map((token) => PREFIX + token));
  };
  return {
    async load() {
      if (locks !== null) return;
      locks = new Map([...(await storage.list<Lock>({ prefix: PREFIX })).values()].map((lock) => [lock.token, lock]));
    },
    current: inForce,
    async save(lock) {
      const expired = [...(locks ?? [])].flatMap(([token, { expiresAt }]) => (expiresAt > now() ? [] : token));
      await remove(expired);
      locks?.set(lock.token, lock);
      await storage.put(PREFIX + lock.token, lock);
    },
    remove,
    follow: (edits) => remove(inForce().flatMap((lock) => (endedBy(edits, lock) ? lock.token : []))),
  };
}
