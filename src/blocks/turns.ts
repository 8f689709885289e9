/** Work that is done by one request at a time in this isolate, by key; others wait. */
export interface Turns {
  /** Nothing is awaited between this and `take` by a caller that wants to be the only one. */
  isTaken(key: string): boolean;
  /** Waits until the key is free. */
  wait(key: string, signal?: AbortSignal): Promise<void>;
  /** Runs `work` with the key taken. */
  take<Result>(key: string, work: () => Promise<Result>): Promise<Result>;
}

const POLL_MS = 20;

/** @param maxMs a key that is held longer counts as free: its holder may have been cut off, or have a slow client */
export function createTurns(maxMs: number): Turns {
  /** When each was taken, in Unix milliseconds. */
  const taken = new Map<string, number>();

  const isTaken = (key: string) => {
    const since = taken.get(key);
    if (since === undefined) return false;
    if (Date.now() - since < maxMs) return true;
    taken.delete(key);
    return false;
  };

  return {
    isTaken,
    async wait(key, signal) {
      // Polled: a promise of another request may never settle in this one.
      while (isTaken(key)) {
        await scheduler.wait(POLL_MS);
        signal?.throwIfAborted();
      }
    },
    async take(key, work) {
      const since = Date.now();
      taken.set(key, since);
      try {
        return await work();
      } finally {
        if (taken.get(key) === since) taken.delete(key);
      }
    },
  };
}
