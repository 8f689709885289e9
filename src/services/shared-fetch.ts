type Block = Uint8Array<ArrayBuffer>;

/** Lets readers that want one block at the same time share one fetch. Keeps nothing afterwards. */
export interface SharedFetch {
  /**
   * The block that `fetch` brings, or a fetch that runs already. It goes on as long as one reader waits. The content
   * is shared, a failure only with readers of the same `locator`: another signature may be accepted.
   */
  get(
    hash: string,
    locator: string,
    fetch: (signal: AbortSignal) => Promise<Block>,
    signal?: AbortSignal,
  ): Promise<Block>;
}

interface Fetching {
  locator: string;
  block: Promise<Block>;
  waiting: number;
  controller: AbortController;
}

export function createSharedFetch(): SharedFetch {
  const fetching = new Map<string, Fetching>();

  const start = (hash: string, locator: string, fetch: (signal: AbortSignal) => Promise<Block>): Fetching => {
    const controller = new AbortController();
    const run = async () => {
      try {
        return await Promise.resolve(controller.signal).then(fetch);
      } finally {
        if (fetching.get(hash)?.controller === controller) fetching.delete(hash);
      }
    };
    const started = { locator, block: run(), waiting: 0, controller };
    fetching.set(hash, started);
    return started;
  };

  return {
    async get(hash, locator, fetch, signal) {
      for (;;) {
        signal?.throwIfAborted();
        const shared = fetching.get(hash) ?? start(hash, locator, fetch);
        shared.waiting++;
        try {
          return await orAborted(shared.block, signal);
        } catch (error) {
          if (signal?.aborted || shared.locator === locator) throw error;
        } finally {
          shared.waiting--;
          if (shared.waiting === 0 && fetching.get(hash) === shared) {
            fetching.delete(hash);
            shared.controller.abort(new Error('no reader waits for this block any more'));
          }
        }
      }
    },
  };
}

/** Settles as `work` does, or rejects as soon as the signal is aborted. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
