type Block = Uint8Array<ArrayBuffer>;

/** Blocks in memory, least recently used out first. A block's name is its content, so nothing here grows stale. */
export interface BlockCache {
  /**
   * The cached block, or what `fetch` brings. Readers that want a block at the same time share one fetch, which goes on
   * as long as one of them waits.
   */
  get(hash: string, fetch: (signal: AbortSignal) => Promise<Block>, signal?: AbortSignal): Promise<Block>;
}

interface Fetching {
  block: Promise<Block>;
  waiting: number;
  controller: AbortController;
}

/** @param maxBytes of blocks to keep; concurrent fetches are shared even when it is 0 */
export function createBlockCache(maxBytes: number): BlockCache {
  const blocks = new Map<string, Block>();
  const fetching = new Map<string, Fetching>();
  let bytes = 0;

  const keep = (hash: string, block: Block) => {
    if (block.byteLength > maxBytes) return;
    blocks.set(hash, block);
    bytes += block.byteLength;
    for (const [oldest, { byteLength }] of blocks) {
      if (bytes <= maxBytes) break;
      blocks.delete(oldest);
      bytes -= byteLength;
    }
  };

  const start = (hash: string, fetch: (signal: AbortSignal) => Promise<Block>): Fetching => {
    const controller = new AbortController();
    const run = async () => {
      try {
        const block = await Promise.resolve(controller.signal).then(fetch);
        keep(hash, block);
        return block;
      } finally {
        if (fetching.get(hash)?.controller === controller) fetching.delete(hash);
      }
    };
    const started = { block: run(), waiting: 0, controller };
    fetching.set(hash, started);
    return started;
  };

  return {
    async get(hash, fetch, signal) {
      signal?.throwIfAborted();
      const cached = blocks.get(hash);
      if (cached !== undefined) {
        blocks.delete(hash);
        blocks.set(hash, cached);
        return cached;
      }
      const shared = fetching.get(hash) ?? start(hash, fetch);
      shared.waiting++;
      try {
        return await orAborted(shared.block, signal);
      } finally {
        shared.waiting--;
        if (shared.waiting === 0 && fetching.get(hash) === shared) {
          fetching.delete(hash);
          shared.controller.abort(new Error('nobody waits for this block any more'));
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
