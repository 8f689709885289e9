import { KeepError } from '../keep/errors.ts';
import { type Chunks, chunksOf } from './chunks.ts';
import { inLockstep, type Sink } from './fan-out.ts';
import { createMd5 } from './md5-stream.ts';

/** What a body must turn out to be. */
export interface Expected {
  /** Lowercase hex MD5; null when the store attests the bytes. */
  hash: string | null;
  /** Bytes. */
  size: number;
}

/**
 * A block's chunks that can never become complete and wrong: hashed on the way, the chunk that completes the block is
 * given out only when length and digest agree, and `corrupt` is thrown in its place otherwise. Small blocks are verified
 * whole by `verifiedBytes`, while a status can still be sent.
 *
 * @param copies get the same bytes; they are closed only once these are verified, which is not awaited
 */
export function verifiedChunks(source: Chunks, { hash, size }: Expected, copies: (Sink | null)[]): Chunks {
  const digest = hash === null ? null : createMd5();
  const all = inLockstep(copies.filter((copy) => copy !== null));
  let seen = 0;
  let isProven = false;
  const cancel = async (reason: unknown) => {
    // A verified block still reaches the copies when the reader has left.
    if (isProven) return;
    await Promise.all([source.cancel(reason), digest?.abort(reason), all.abort(reason)]);
  };
  /** The chunk that completes the block is judged, and the source's end seen, before it is given out. */
  const complete = async (chunk: Uint8Array | null) => {
    if (chunk !== null) await digest?.write(chunk);
    const isRight = seen === size && (digest === null || (await digest.hex()) === hash);
    if (!isRight || (await source.next(undefined, 1)) !== null) throw new KeepError('corrupt');
    if (chunk !== null) await all.write(chunk);
    isProven = true;
    void all.close().catch(() => undefined);
  };
  const read = async (spent: Uint8Array | undefined, bytes: number | undefined) => {
    if (isProven) return null;
    const chunk = await source.next(spent, bytes);
    seen += chunk?.byteLength ?? 0;
    if (seen >= size) await complete(chunk);
    else if (chunk === null) throw new KeepError('corrupt');
    // Every wait is a crossing into native code: hashing and copying share one.
    else await Promise.all([digest?.write(chunk), all.write(chunk)]);
    return chunk;
  };
  return {
    next: (spent, bytes) =>
      read(spent, bytes).catch(async (error) => {
        await cancel(error);
        throw error;
      }),
    cancel,
  };
}

/** Reads all chunks and discards them. @throws whatever reading throws */
export async function drain(chunks: Chunks): Promise<void> {
  let chunk = await chunks.next();
  while (chunk !== null) chunk = await chunks.next(chunk);
}

/** Up to this size a block is read whole before its answer starts, to be kept by the cache in one chunk. */
export const SMALL_BLOCK_BYTES = 256 * 1024;

/**
 * The bytes of a block that is small enough to be held.
 * @throws KeepError `corrupt` when there are more or fewer, or with another MD5 if `hash` is given
 */
export async function verifiedBytes(
  body: ReadableStream<Uint8Array> | Chunks,
  { hash, size }: Expected,
): Promise<Uint8Array> {
  const chunks = 'next' in body ? body : chunksOf(body);
  // One more than expected, so that a longer body shows; a whole chunk's memory would cost more than a small block.
  const bytes = (await chunks.next(undefined, size + 1)) ?? new Uint8Array(0);
  if (bytes.byteLength !== size) {
    await chunks.cancel('not of the expected length');
    throw new KeepError('corrupt');
  }
  if (hash !== null && (await md5Of(bytes)) !== hash) throw new KeepError('corrupt');
  return bytes;
}

async function md5Of(bytes: Uint8Array): Promise<string> {
  const digest = createMd5();
  if (bytes.byteLength > 0) await digest.write(bytes);
  return digest.hex();
}
