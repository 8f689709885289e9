import { isKeepError, KeepError } from '../keep/errors.ts';
import { EMPTY_HASH } from '../keep/limits.ts';
import { mountOrder } from '../keep/rendezvous.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ObjectInfo, StoredObject } from '../storage/object-store.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import { CHUNK_BYTES, type Chunks, chunksOf } from '../streams/chunks.ts';
import type { Sink } from '../streams/fan-out.ts';
import { md5OfStream } from '../streams/md5-stream.ts';
import { pacedBody } from '../streams/paced-body.ts';
import { drain, SMALL_BLOCK_BYTES, verifiedBytes, verifiedChunks } from '../streams/verify.ts';
import { type BlockCache, NO_CACHE } from './edge-cache.ts';
import { createProver, proofOf, provableRange, provenChunks } from './proven-chunks.ts';
import { createTurns } from './turns.ts';

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
  if (hash === EMPTY_HASH) return emptyBlock(options);
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
  if (hash === EMPTY_HASH) return emptyFound(options);
  return onFirstMount(source.mounts, hash, async (mount) => {
    const info = await mount.volume.head(hash, options.signal);
    if (info === null) return null;
    const vouched = judge(source, info, hash, options.size);
    if (vouched === 'hashed') await verifyWhole(source, mount, hash, info.size, options.signal, null);
    return { size: info.size, from: mount.uuid, vouched };
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

/** Hashing of whole blocks: ranges of one block that are asked for together wait for the first of them. */
const HASHING = createTurns(60_000);

/**
 * A range of a block that the store does not vouch for; null when the block went away. The block is hashed whole once;
 * after that each range is checked by the digests of its chunks.
 */
async function hashedRange(
  source: BlockSource,
  mount: Mount,
  block: { hash: string; size: number },
  range: ByteRange,
  signal: AbortSignal | undefined,
): Promise<Pick<BlockRead, 'body' | 'done'> | null> {
  const proof = await provenOnce(source, mount, block, signal);
  const again = await mount.volume.read(block.hash, { range: provableRange(range, block.size), signal });
  if (again === null) return null;
  const chunks = provenChunks(again.body, proof, range);
  if (range.length > CHUNK_BYTES) return pacedBody(chunks, range.length, signal);
  return { body: streamOf(await concatenated(chunks, range.length)) };
}

async function provenOnce(
  source: BlockSource,
  mount: Mount,
  block: { hash: string; size: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  for (;;) {
    const known = proofOf(block);
    if (known !== null) return known;
    if (!HASHING.isTaken(block.hash)) break;
    await HASHING.wait(block.hash, signal);
  }
  return HASHING.take(block.hash, async () => {
    const prover = createProver(block);
    if (block.size > CHUNK_BYTES) {
      await verifyWhole(source, mount, block.hash, block.size, signal, { writable: prover.writable, required: true });
      return prover.keep();
    }
    const whole = await mount.volume.read(block.hash, { signal });
    if (whole === null) throw new KeepError('not_found');
    const bytes = await verifiedBytes(whole.body, block);
    source.cache.put(block.hash, bytes);
    const writer = prover.writable.getWriter();
    await Promise.all([writer.write(bytes), writer.close()]);
    return prover.keep();
  });
}

/** All chunks in one buffer of `length` bytes. */
async function concatenated(chunks: Chunks, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let chunk = await chunks.next(); chunk !== null; chunk = await chunks.next()) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
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
