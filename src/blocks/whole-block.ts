import { isKeepError, KeepError } from '../keep/errors.ts';
import type { Mount } from '../storage/mounts.ts';
import type { StoredObject } from '../storage/object-store.ts';
import { CHUNK_BYTES, chunksOf } from '../streams/chunks.ts';
import type { Sink } from '../streams/fan-out.ts';
import { md5OfStream } from '../streams/md5-stream.ts';
import { pacedBody } from '../streams/paced-body.ts';
import { drain, SMALL_BLOCK_BYTES, verifiedBytes, verifiedChunks } from '../streams/verify.ts';
import {
  type BlockFound,
  type BlockRead,
  judged,
  openAt,
  reportCorrupt,
  streamOf,
  type Wanted,
} from './block-source.ts';
import { NO_CACHE } from './edge-cache.ts';
import { copyBytes, copyOnTheWay, nearOf } from './pull-through.ts';
import type { Attempt } from './try-mounts.ts';

/** A whole block from one mount; null when it does not have it. @throws KeepError corrupt, what the store throws */
export async function wholeBlock(wanted: Wanted, at: Attempt): Promise<BlockRead | null> {
  const object = await openAt(wanted, at);
  return object === null ? null : wholeOf(wanted, at, object);
}

/** A whole block out of its object. */
export async function wholeOf(wanted: Wanted, at: Attempt, object: StoredObject): Promise<BlockRead> {
  const vouched = await judged(wanted, object, true);
  return { ...(await bodyOf(wanted, at, object, vouched)), size: object.size, from: at.mount.uuid, vouched };
}

/** The body on its way to the reader, the cache, and a nearer mount. */
async function bodyOf(
  { source, hash, signal }: Wanted,
  { mount, missed }: Attempt,
  { body, size }: StoredObject,
  vouched: BlockFound['vouched'],
): Promise<Pick<BlockRead, 'body' | 'done'>> {
  const { cache, mounts } = source;
  const isHashed = vouched === 'hashed';
  const isSmall = size <= (isHashed ? CHUNK_BYTES : SMALL_BLOCK_BYTES);
  const expected = { hash: isHashed ? hash : null, size };
  const near = nearOf(mounts, mount, missed);
  if (isSmall && (isHashed || cache !== NO_CACHE || near !== null)) {
    const bytes = await verifiedBytes(body, expected);
    cache.put(hash, bytes);
    if (near !== null) copyBytes(near, hash, bytes);
    return { body: streamOf(bytes) };
  }
  const copies = [cache.fill(hash, size), near === null ? null : copyOnTheWay(near, hash, size)];
  if (!isHashed && copies.every((copy) => copy === null)) return { body };
  const paced = pacedBody(verifiedChunks(chunksOf(body), expected, copies), size, signal);
  paced.done.catch((error: unknown) => {
    if (isKeepError(error, 'corrupt')) reportCorrupt(source, hash, mount);
  });
  return paced;
}

/**
 * Reads and hashes a whole block.
 * @param watcher gets the bytes too; closed only when they are right, which is not awaited
 * @throws KeepError not_found, corrupt
 */
export async function verifyWhole(
  { source, hash }: Pick<Wanted, 'source' | 'hash'>,
  mount: Mount,
  size: number,
  signal: AbortSignal | undefined,
  watcher: Sink | null,
): Promise<void> {
  const object = await mount.volume.read(hash, { signal });
  if (object === null) throw new KeepError('not_found');
  const entry = source.cache.fill(hash, size);
  if (entry !== null || watcher !== null)
    await drain(verifiedChunks(chunksOf(object.body), { hash, size }, [entry, watcher]));
  // Without a sink the digest is all that sees the bytes.
  else if ((await md5OfStream(object.body)) !== hash) throw new KeepError('corrupt');
}
