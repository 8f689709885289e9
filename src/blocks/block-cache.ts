import { waitUntil } from 'cloudflare:workers';

/** Verified blocks kept by this data centre, whoever may read them: permission is checked before anyone asks here. */
export interface BlockCache {
  /** The block, or part of it. Null when it is not here or its size is not known. */
  match(hash: string, options: MatchOptions): Promise<CachedBlock | null>;
  /**
   * Where to write a block's bytes so that the next reader finds them; null when this cache takes none. Closing the
   * stream vouches for the bytes, aborting it leaves nothing behind.
   */
  fill(hash: string, size: number): WritableStream<Uint8Array> | null;
}

export interface MatchOptions {
  size?: number | null;
  range?: { offset: number; length: number };
}

export interface CachedBlock {
  body: ReadableStream<Uint8Array>;
  size: number;
}

/** For EDGE_CACHE = false. */
export const NO_CACHE: BlockCache = { match: () => Promise.resolve(null), fill: () => null };

const CACHE_NAME = 'keep-blocks';
/** Content never changes under its name; the data centre drops what it needs room for. */
const CACHE_CONTROL = 'public, max-age=31536000, immutable';

/** The Cache API as a block cache. An entry's key is hash and size alone: never a signature, a token or a host. */
export function createEdgeCache(): BlockCache {
  const opened = caches.open(CACHE_NAME);
  const keyOf = (hash: string, size: number) => `https://keep-blocks.invalid/${hash}+${size}`;
  return {
    async match(hash, { size, range }) {
      if (typeof size !== 'number') return null;
      const headers: HeadersInit =
        range === undefined ? {} : { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
      const cache = await opened;
      const response = await cache.match(new Request(keyOf(hash, size), { headers })).catch(() => undefined);
      if (response === undefined || response.body === null) return null;
      if (response.status === (range === undefined ? 200 : 206)) return { body: response.body, size };
      await response.body.cancel();
      return null;
    },

    fill(hash, size) {
      if (size === 0) return null;
      const { readable, writable } = new FixedLengthStream(size);
      const entry = new Response(readable, {
        headers: {
          'Cache-Control': CACHE_CONTROL,
          'Content-Type': 'application/octet-stream',
          'Content-Length': String(size),
        },
      });
      // A cache that cannot take an entry is no reason to fail a read.
      waitUntil(opened.then((cache) => cache.put(keyOf(hash, size), entry)).catch(() => undefined));
      return writable;
    },
  };
}
