import { isKeepError, KeepError } from '../keep/errors.ts';
import { EMPTY_HASH } from '../keep/limits.ts';
import { mountOrder } from '../keep/rendezvous.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ObjectInfo, StoredObject } from '../storage/object-store.ts';
import { CHUNK_BYTES, chunksOf } from '../streams/chunks.ts';
import type { Sink } from '../streams/fan-out.ts';
import { md5OfRange, md5OfStream } from '../streams/md5-stream.ts';
import { pacedBody } from '../streams/paced-body.ts';
import { drain, SMALL_BLOCK_BYTES, verifiedBytes, verifiedChunks } from '../streams/verify.ts';
import { type BlockCache, NO_CACHE } from './edge-cache.ts';

/** Where blocks are read from. */
export interface BlockSource {
  mounts: Mount[];
  cache: BlockCache;
  verifyReads: 'attested' | 'always';
}

/** What answered, and how the bytes are vouched for. */
export interface BlockFound {
  /** Bytes of the whole block. */
  size: number;
  /** Mount UUID, or `cache`. */
  from: string;
  /** attested: the store's own MD5 is the block's name. hashed: computed here from the bytes. */
  vouched: 'attested' | 'hashed';
}

export interface BlockRead extends BlockFound {
  body: ReadableStream<Uint8Array>;
  /** See PumpedBody; undefined for native bodies. */
  done?: Promise<void>;
}

export interface ReadOptions {
  /** The locator's size hint; a stored block of another size is corrupt. */
  size?: number | null;
  signal?: AbortSignal | undefined;
}

/**
 * One block's verified body, from the edge cache or the first mount that has a good copy: mounts in rendezvous order,
 * the next one on a miss, an error, or a copy that is known to be bad before its first byte. The caller checks
 * permission first.
 *
 * @throws KeepError `not_found` when every mount says so, else the last failure; `corrupt` when a copy is bad
 */
export async function readBlock(source: BlockSource, hash: string, options: ReadOptions = {}): Promise<BlockRead> {
  if (hash === EMPTY_HASH) return emptyBlock();
  const cached = await source.cache.match(hash, options);
  if (cached !== null) return { ...cached, from: 'cache', vouched: 'attested' };
  return onFirstMount(source.mounts, hash, async (mount) => {
    const object = await mount.volume.read(hash, { signal: options.signal });
    if (object === null) return null;
    const vouched = await judged(source, object, hash, options.size);
    return {
      ...(await bodyOf(source, object, hash, vouched, options.signal)),
      size: object.size,
      from: mount.uuid,
      vouched,
    };
  });
}

/**
 * Part of one block. An attested block is read from just there; another one is hashed whole first, which fills the
 * cache for the ranges that follow; the bytes sent then must be those that were hashed.
 *
 * @param range lies inside the block: `offset + length <= size`
 * @throws KeepError as readBlock
 */
export async function readBlockRange(
  source: BlockSource,
  hash: string,
  range: { offset: number; length: number },
  options: ReadOptions = {},
): Promise<BlockRead> {
  const cached = await source.cache.match(hash, { ...options, range });
  if (cached !== null) return { ...cached, from: 'cache', vouched: 'attested' };
  return onFirstMount(source.mounts, hash, async (mount) => {
    const { signal } = options;
    const object = await mount.volume.read(hash, { range, signal });
    if (object === null) return null;
    const vouched = await judged(source, object, hash, options.size);
    const found = { size: object.size, from: mount.uuid, vouched };
    if (vouched === 'attested') return { ...found, body: object.body };
    await object.body.cancel();
    const read = await hashedRange(source, mount, { hash, size: object.size }, range, signal);
    return read === null ? null : { ...found, ...read };
  });
}

/**
 * Vouches for a block, without moving it where the store attests its MD5: the answer to HEAD.
 * @throws KeepError as readBlock
 */
export async function vouchForBlock(source: BlockSource, hash: string, options: ReadOptions = {}): Promise<BlockFound> {
  if (hash === EMPTY_HASH) return { size: 0, from: 'cache', vouched: 'attested' };
  return onFirstMount(source.mounts, hash, async (mount) => {
    const info = await mount.volume.head(hash, options.signal);
    if (info === null) return null;
    const vouched = judge(source, info, hash, options.size);
    if (vouched === 'hashed') await verifyWhole(source, mount, hash, info.size, options.signal, null);
    return { size: info.size, from: mount.uuid, vouched };
  });
}

/** The empty block always exists, stored or not. */
function emptyBlock(): BlockRead {
  return { body: streamOf(new Uint8Array(0)), size: 0, from: 'cache', vouched: 'attested' };
}

async function onFirstMount<Result>(
  mounts: Mount[],
  hash: string,
  attempt: (mount: Mount) => Promise<Result | null>,
): Promise<Result> {
  let failure: unknown = null;
  for (const mount of mountOrder(hash, mounts)) {
    try {
      const result = await attempt(mount);
      if (result !== null) return result;
    } catch (error) {
      if (isKeepError(error, 'client_gone')) throw error;
      if (!isKeepError(error, 'not_found')) failure = error;
    }
  }
  throw failure ?? new KeepError('not_found');
}

async function bodyOf(
  { cache }: BlockSource,
  { body, size }: StoredObject,
  hash: string,
  vouched: BlockFound['vouched'],
  signal: AbortSignal | undefined,
): Promise<Pick<BlockRead, 'body' | 'done'>> {
  const isHashed = vouched === 'hashed';
  const isSmall = size <= (isHashed ? CHUNK_BYTES : SMALL_BLOCK_BYTES);
  const expected = { hash: isHashed ? hash : null, size };
  if (isSmall && (isHashed || cache !== NO_CACHE)) {
    const bytes = await verifiedBytes(body, expected);
    cache.put(hash, bytes);
    return { body: streamOf(bytes) };
  }
  const entry = cache.fill(hash, size);
  if (!isHashed && entry === null) return { body };
  return pacedBody(verifiedChunks(chunksOf(body), expected, [entry]), size, signal);
}

/**
 * A range of a block that the store does not vouch for; null when the block went away. A large block is read twice:
 * once to hash it and the range in it, then the range, which must be the same again.
 */
async function hashedRange(
  source: BlockSource,
  mount: Mount,
  { hash, size }: { hash: string; size: number },
  range: { offset: number; length: number },
  signal: AbortSignal | undefined,
): Promise<Pick<BlockRead, 'body' | 'done'> | null> {
  if (size <= CHUNK_BYTES) {
    const whole = await mount.volume.read(hash, { signal });
    if (whole === null) return null;
    const bytes = await verifiedBytes(whole.body, { hash, size });
    source.cache.put(hash, bytes);
    return { body: streamOf(bytes.slice(range.offset, range.offset + range.length)) };
  }
  const digest = md5OfRange(range);
  await verifyWhole(source, mount, hash, size, signal, { writable: digest.writable, required: true });
  const again = await mount.volume.read(hash, { range, signal });
  if (again === null) return null;
  const expected = { hash: await digest.hex(), size: range.length };
  if (range.length <= CHUNK_BYTES) return { body: streamOf(await verifiedBytes(again.body, expected)) };
  return pacedBody(verifiedChunks(chunksOf(again.body), expected, []), range.length, signal);
}

async function verifyWhole(
  source: BlockSource,
  mount: Mount,
  hash: string,
  size: number,
  signal: AbortSignal | undefined,
  watcher: Sink | null,
): Promise<void> {
  const object = await mount.volume.read(hash, { signal });
  if (object === null) throw new KeepError('not_found');
  const entry = source.cache.fill(hash, size);
  if (entry !== null || watcher !== null)
    await drain(verifiedChunks(chunksOf(object.body), { hash, size }, [entry, watcher]));
  // Without a sink the bytes need not pass through JavaScript at all.
  else if ((await md5OfStream(object.body)) !== hash) throw new KeepError('corrupt');
}

/** As judge, and cancels the body if it throws. */
async function judged(
  source: BlockSource,
  object: StoredObject,
  hash: string,
  expected: number | null | undefined,
): Promise<BlockFound['vouched']> {
  try {
    return judge(source, object, hash, expected);
  } catch (error) {
    await object.body.cancel(error).catch(() => undefined);
    throw error;
  }
}

/** @throws KeepError `corrupt` when the size or the store's own MD5 say that this is not the block */
function judge(
  source: BlockSource,
  { size, md5 }: ObjectInfo,
  hash: string,
  expected: number | null | undefined,
): BlockFound['vouched'] {
  if ((expected ?? size) !== size) throw new KeepError('corrupt');
  if (md5 !== null && md5 !== hash) throw new KeepError('corrupt');
  return md5 !== null && source.verifyReads === 'attested' ? 'attested' : 'hashed';
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Response(bytes).body ?? new ReadableStream();
}
