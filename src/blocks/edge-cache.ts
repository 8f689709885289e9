import { waitUntil } from 'cloudflare:workers';
import { count } from '../http/metrics.ts';
import { createBoundedMap } from '../keep/bounded-map.ts';
import { rangeHeader } from '../streams/byte-range.ts';
import type { Sink } from '../streams/fan-out.ts';
import { cacheUrl } from './cache-keys.ts';

/** Verified blocks kept by this data centre, for all readers: permission is checked before the cache is asked. */
export interface BlockCache {
  /** The block, or part of it. Null when it is not here or its size is not known. */
  match(hash: string, options: MatchOptions): Promise<CachedBlock | null>;
  /** Keeps a small block that is known to be right. */
  put(hash: string, bytes: Uint8Array): void;
  /**
   * Where to write a larger block so that the next reader finds it; null when this cache takes none. Closing the
   * sink vouches for the bytes; one that is aborted or never closed leaves nothing that could be read.
   */
  fill(hash: string, size: number): Sink | null;
}

export interface MatchOptions {
  size?: number | null;
  range?: { offset: number; length: number };
}

export interface CachedBlock {
  body: ReadableStream<Uint8Array>;
  size: number;
}

/** For EDGE_CACHE = "off". */
export const NO_CACHE: BlockCache = { match: () => Promise.resolve(null), put: () => undefined, fill: () => null };

const CACHE_NAME = 'keep-blocks';
const SEAL_HEADER = 'Keep-Edge-Seal';
/** In place of a seal: the entry was put from memory as a whole. */
const WHOLE = 'whole';
const MAX_SEALS = 10_000;
const MAX_SEAL_BYTES = 5 * 1024 * 1024;

/**
 * The Cache API as a block cache. An entry's key is hash and size alone: never a signature, a token or a host.
 * A streamed entry counts only once a second, tiny one seals it, which is written when the last byte was: a cache may
 * keep what it got of a stream that broke off and call that a success (the local simulator does).
 */
export function createEdgeCache(): BlockCache {
  // Opened for each use: a promise must not be shared between requests, of which the first may be cut off.
  const open = () => caches.open(CACHE_NAME);
  /** Seals this isolate has seen, to spare the second look-up. */
  const seals = createBoundedMap<string>({
    maxEntries: MAX_SEALS,
    maxBytes: MAX_SEAL_BYTES,
    sizeOf: (seal) => 2 * seal.length,
  });

  async function isSealed(key: string, seal: string | null): Promise<boolean> {
    if (seal === null) return false;
    if (seal === WHOLE || seals.get(key) === seal) return true;
    const response = await (await open()).match(sealKey(key));
    await response?.body?.cancel();
    if (response?.headers.get(SEAL_HEADER) !== seal) return false;
    seals.set(key, seal);
    return true;
  }

  async function find(hash: string, { size, range }: MatchOptions): Promise<CachedBlock | null> {
    if (typeof size !== 'number') return null;
    const key = keyOf(hash, size);
    const request = range === undefined ? key : new Request(key, { headers: { Range: rangeHeader(range) } });
    const response = await (await open()).match(request);
    if (response === undefined || response.body === null) return null;
    const answersRange = response.status === (range === undefined ? 200 : 206);
    if (answersRange && (await isSealed(key, response.headers.get(SEAL_HEADER)))) return { body: response.body, size };
    await response.body.cancel();
    return null;
  }

  return {
    // A cache that fails counts as a miss.
    async match(hash, options) {
      const found = await find(hash, options).catch(() => null);
      if (typeof options.size === 'number')
        count('keep_edge_cache_reads_total', { cache: 'local', result: found === null ? 'miss' : 'hit' });
      return found;
    },

    put(hash, bytes) {
      const key = keyOf(hash, bytes.byteLength);
      ignoreFailure(open().then((cache) => cache.put(key, entry(bytes, bytes.byteLength, WHOLE))));
    },

    fill(hash, size) {
      const key = keyOf(hash, size);
      const seal = crypto.randomUUID();
      const { readable, writable } = new FixedLengthStream(size);
      const stored = open().then((cache) => cache.put(key, entry(readable, size, seal)));
      ignoreFailure(stored);
      const onClosed = () =>
        ignoreFailure(stored.then(open).then((cache) => cache.put(sealKey(key), entry('.', 1, seal))));
      // A cache that gave up may never have looked at the stream: writes to it must not wait for ever.
      const failure = stored.then(() => new Promise<never>(() => undefined));
      failure.catch(() => undefined);
      return { writable, required: false, failure, onClosed };
    },
  };
}

function keyOf(hash: string, size: number): string {
  return cacheUrl('blocks', `${hash}+${size}`);
}

function sealKey(key: string): string {
  return `${key}/seal`;
}

/** Content never changes under its name; the data centre evicts what it has no space for. */
function entry(body: BodyInit, size: number, seal: string): Response {
  return new Response(body, {
    headers: {
      'Cache-Control': 'public, max-age=31536000, immutable',
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(size),
      [SEAL_HEADER]: seal,
    },
  });
}

/** A cache that cannot take an entry is no reason to fail a read. */
function ignoreFailure(work: Promise<unknown>): void {
  waitUntil(work.catch(() => undefined));
}
