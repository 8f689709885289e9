import { count } from '../http/metrics.ts';
import { type ErrorCode, isErrorCode, isKeepError, KeepError } from '../keep/errors.ts';
import { type ByteRange, contentRange, parseRange, rangeHeader } from '../streams/byte-range.ts';
import { chunksOf } from '../streams/chunks.ts';
import { pacedBody } from '../streams/paced-body.ts';
import { verifiedChunks } from '../streams/verify.ts';
import type { BlockRead, BlockSource, BlockTier } from './block-source.ts';
import { readBlockRange, readWhole } from './read-block.ts';

/**
 * EDGE_CACHE = "tiered": the platform's cache in front of an entrypoint of its own (app/block-entrypoint.ts), as
 * documented in November 2026 at developers.cloudflare.com/workers/cache. This file holds all that rests on that
 * documentation; test/workerd/support/data-centres.ts follows the same rules.
 *
 * - The key is the entrypoint, the path, and the caller's props: here hash and size, and a code that only this service
 *   can make. Hosts and other headers are not part of it.
 * - A data centre asks an upper tier, which asks the entrypoint; misses at the same time are one request.
 * - A range is cut from the whole answer: the entrypoint is asked without `Range`. What it answers with 206 is not kept.
 * - Errors would be kept too (a 404 for three minutes): each says `no-store`.
 * - An answer that breaks off is incomplete (RFC 9111, 3.3), and is purged as well.
 */

/** The entrypoint, with the cache in front of it. */
export interface BlockEntrypoint {
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

/** A block never changes under its name. */
const KEPT = 'public, max-age=31536000, immutable';
const ERROR_HEADER = 'Keep-Edge-Error';
const MOUNT_HEADER = 'Keep-Edge-Mount';
const VOUCHED_HEADER = 'Keep-Edge-Vouched';
/** Values of Cf-Cache-Status with which the entrypoint did not run for this answer. */
const HITS = new Set(['HIT', 'STALE', 'UPDATING', 'REVALIDATED']);

/** @param entrypoint called for each read */
export function createBlockTier(entrypoint: () => BlockEntrypoint): BlockTier {
  return {
    async read(hash, size, range) {
      const url = `http://blocks/${hash}+${size}`;
      let response: Response;
      try {
        // Without the reader's signal: others may be waiting for the same answer. Its body is cancelled with the reader's.
        response = await entrypoint().fetch(url, range && { headers: { Range: rangeHeader(range) } });
      } catch {
        return null;
      }
      return found(response, size, range);
    },
  };
}

async function found(response: Response, size: number, range: ByteRange | undefined): Promise<BlockRead | null> {
  const { headers, body } = response;
  const code = headers.get(ERROR_HEADER);
  const isRight = response.status === (range === undefined ? 200 : 206);
  if (isRight && body !== null && Number(headers.get('Content-Length')) === (range?.length ?? size)) {
    const isHit = HITS.has(headers.get('Cf-Cache-Status') ?? '');
    count('keep_edge_cache_reads_total', { cache: 'tiered', result: isHit ? 'hit' : 'miss' });
    const vouched = headers.get(VOUCHED_HEADER) === 'hashed' ? 'hashed' : 'attested';
    return { body, size, from: isHit ? 'cache' : (headers.get(MOUNT_HEADER) ?? 'cache'), vouched };
  }
  await body?.cancel();
  if (code !== null && isErrorCode(code)) throw new KeepError(code);
  return null;
}

export interface FillDependencies {
  /** Without caches. */
  source: BlockSource;
  /** Null where there is no such cache, as in local runs. */
  purge: ((tag: string) => Promise<unknown>) | null;
  waitUntil: (work: Promise<unknown>) => void;
}

/** The entrypoint's answer to `/<hash>+<size>`: a verified block, kept for all who come later, or an error, never kept. */
export async function answerFill(request: Request, { source, purge, waitUntil }: FillDependencies): Promise<Response> {
  const [, hash = '', digits = ''] = /^https?:\/\/[^/]+\/([0-9a-f]{32})\+(\d{1,8})$/.exec(request.url) ?? [];
  const size = Number(digits);
  const asked = parseRange(request.headers.get('Range'), size);
  const range = asked.kind === 'ranges' ? asked.ranges[0] : undefined;
  try {
    if (hash === '') throw new KeepError('bad_request');
    const block =
      range === undefined
        ? await readWhole({ source, hash, size })
        : await readBlockRange(source, hash, range, { size });
    const headers = {
      'Cache-Control': KEPT,
      'Cache-Tag': `${hash}+${size}`,
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(range?.length ?? size),
      [MOUNT_HEADER]: block.from,
      [VOUCHED_HEADER]: block.vouched,
      ...(range === undefined ? {} : { 'Content-Range': contentRange(range, size) }),
    };
    const body =
      purge === null || range !== undefined ? block.body : watched(block, size, `${hash}+${size}`, purge, waitUntil);
    return new Response(body, { status: range === undefined ? 200 : 206, headers });
  } catch (error) {
    const code: ErrorCode = isKeepError(error) ? error.code : 'unavailable';
    return new Response(null, {
      status: new KeepError(code).status,
      headers: { 'Cache-Control': 'no-store', [ERROR_HEADER]: code },
    });
  }
}

/** A body whose breaking off is noticed here, and purged: a cache may keep what it got. */
function watched(
  { body, done }: BlockRead,
  size: number,
  tag: string,
  purge: (tag: string) => Promise<unknown>,
  waitUntil: (work: Promise<unknown>) => void,
): ReadableStream<Uint8Array> {
  const paced =
    done === undefined
      ? pacedBody(verifiedChunks(chunksOf(body), { hash: null, size }, []), size, undefined)
      : { body, done };
  waitUntil(paced.done.catch(() => purge(tag)).catch(() => undefined));
  return paced.body;
}
