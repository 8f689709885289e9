import { waitUntil } from 'cloudflare:workers';
import { KeepError } from '../keep/errors.ts';
import { EMPTY_HASH } from '../keep/limits.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import { anyChunksOf } from '../streams/chunks.ts';
import { drain } from '../streams/verify.ts';
import {
  type BlockFound,
  type BlockRead,
  type BlockSource,
  judge,
  judged,
  openAt,
  type ReadOptions,
  readFrom,
  reportCorrupt,
  streamOf,
  type Wanted,
} from './block-source.ts';
import { NO_CACHE } from './edge-cache.ts';
import { copyAside, isWorthWhole, nearOf } from './pull-through.ts';
import { knownDigests } from './range-digests.ts';
import { type Attempt, tryMounts } from './try-mounts.ts';
import { createTurns } from './turns.ts';
import { verifiedRange } from './verified-range.ts';
import { verifyWhole, wholeBlock, wholeOf } from './whole-block.ts';

/**
 * One block's verified body, from a cache or the first mount that has a good copy (try-mounts.ts). The caller checks
 * permission first.
 *
 * @throws KeepError `not_found` when every mount says so, else the last failure; `corrupt` when a copy is bad
 */
export async function readBlock(source: BlockSource, hash: string, options: ReadOptions = {}): Promise<BlockRead> {
  if (hash === EMPTY_HASH) return emptyBlock(options);
  const cached = await fromCache(source, hash, options);
  return cached ?? readWhole({ ...options, source, hash });
}

/** As readBlock, from mounts alone. */
export function readWhole(wanted: Wanted): Promise<BlockRead> {
  return readFrom(wanted, (at) => wholeBlock(wanted, at));
}

/**
 * Part of one block. An attested block is read from just there, unless ranges are to be checked (verified-range.ts). A
 * block of up to a MiB is read whole, and a larger one whose ranges have been read a lot is brought into the cache, for
 * the ranges that follow.
 *
 * @param range lies inside the block: `offset + length <= size`
 * @throws KeepError as readBlock
 */
export async function readBlockRange(
  source: BlockSource,
  hash: string,
  range: ByteRange,
  options: ReadOptions = {},
): Promise<BlockRead> {
  const { size } = options;
  const isWorth = typeof size === 'number' && isWorthWhole(hash, size, range);
  const cached = await fromCache(source, hash, options, range, isWorth);
  if (cached !== null) return cached;
  const wanted: Wanted = { ...options, source, hash };
  if (!isWorth || source.cache === NO_CACHE || FILLING.isTaken(hash))
    return readFrom(wanted, (at) => rangeAt(wanted, at, range, isWorth));
  if (size <= MAX_HELD_BYTES) return FILLING.take(hash, () => readWhole(wanted).then((whole) => part(whole, range)));
  const read = await readFrom(wanted, (at) => rangeAt(wanted, at, range, isWorth));
  if (range.length < size) waitUntil(FILLING.take(hash, () => fillAside(source, hash, size)).catch(() => undefined));
  return read;
}

/** Up to this size a block is held for a range of it. */
const MAX_HELD_BYTES = 2 ** 20;
/** Blocks that a request brings into the cache whole; others read their ranges meanwhile. */
const FILLING = createTurns(60_000);

/** Brings a block into the cache whose ranges have been read a lot. */
async function fillAside(source: BlockSource, hash: string, size: number): Promise<void> {
  const { body } = await readWhole({ source, hash, size });
  await drain(anyChunksOf(body));
}

async function fromCache(
  source: BlockSource,
  hash: string,
  options: ReadOptions,
  range?: ByteRange,
  isWorth = true,
): Promise<BlockRead | null> {
  const { size } = options;
  if (source.tier && typeof size === 'number') {
    const tiered = isWorth ? await source.tier.read(hash, size, range) : null;
    if (tiered !== null) return tiered;
  }
  const cached = await source.cache.match(hash, range === undefined ? options : { ...options, range });
  return cached === null ? null : { ...cached, from: 'cache', vouched: 'attested' };
}

/** A range of a small block that is in memory. */
async function part({ body, ...found }: BlockRead, { offset, length }: ByteRange): Promise<BlockRead> {
  if (offset === 0 && length === found.size) return { ...found, body };
  const bytes = new Uint8Array(await new Response(body).arrayBuffer());
  return { ...found, body: streamOf(bytes.subarray(offset, offset + length)) };
}

async function rangeAt(wanted: Wanted, at: Attempt, range: ByteRange, isWorth: boolean): Promise<BlockRead | null> {
  const { source, hash, size } = wanted;
  const isWhole = range.offset === 0 && range.length === size;
  const mustCheck =
    source.verifyReads !== 'attested' || (typeof size === 'number' && knownDigests({ hash, size }) !== null);
  if (!isWhole && mustCheck && typeof size === 'number') return verifiedRange(wanted, at, range, size);
  const object = await openAt(wanted, at, isWhole ? undefined : range);
  if (object === null) return null;
  if (isWhole) return wholeOf(wanted, at, object);
  const vouched = await judged(wanted, object, false);
  if (vouched === 'hashed') {
    await object.body.cancel();
    return verifiedRange(wanted, at, range, object.size);
  }
  const near = nearOf(source.mounts, at.mount, at.missed);
  if (near !== null && isWorth) copyAside(near, at.mount, hash);
  return { body: object.body, size: object.size, from: at.mount.uuid, vouched };
}

/**
 * Vouches for a block, without moving it where the store attests its MD5: the answer to HEAD.
 * @throws KeepError as readBlock
 */
export async function vouchForBlock(source: BlockSource, hash: string, options: ReadOptions = {}): Promise<BlockFound> {
  if (hash === EMPTY_HASH) return emptyFound(options);
  const wanted: Wanted = { ...options, source, hash };
  return tryMounts<BlockFound>({
    mounts: source.mounts,
    last: source.last ?? [],
    hash,
    signal: options.signal,
    hedging: null,
    discard: () => undefined,
    onCorrupt: (mount) => reportCorrupt(source, hash, mount),
    async attempt({ mount, signal }) {
      const info = await mount.volume.head(hash, signal);
      if (info === null) return null;
      const vouched = judge(wanted, info, true);
      if (vouched === 'hashed') await verifyWhole(wanted, mount, info.size, signal, null);
      return { size: info.size, from: mount.uuid, vouched };
    },
  });
}

/** The empty block always exists, stored or not. */
function emptyBlock(options: ReadOptions): BlockRead {
  return { body: streamOf(new Uint8Array(0)), ...emptyFound(options) };
}

/** @throws KeepError corrupt when the locator gives it another size */
function emptyFound({ size }: ReadOptions): BlockFound {
  if ((size ?? 0) !== 0) throw new KeepError('corrupt');
  return { size: 0, from: 'cache', vouched: 'attested' };
}
