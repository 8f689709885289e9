import { KeepError } from '../keep/errors.ts';
import { type ByteChunks, CHUNK_BYTES, chunksOf } from './chunks.ts';
import type { Fill, Pipeable } from './part.ts';

/** Reads a body front to back, in lengths that its user chooses. @throws what reading the body throws */
export interface SegmentReader {
  /** The next bytes, as many as the memory holds. @throws KeepError corrupt when the body ends before */
  fill: Fill;
  /** Exactly `length` bytes, in memory of their own. @throws as `fill` does */
  take(length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Between 1 and `most` bytes, as they come; they are valid until anything more is asked for. */
  some(most: number): Promise<Uint8Array>;
  skip(length: number): Promise<void>;
  cancel(reason: unknown): Promise<void>;
}

/** @param length bytes of the body; `chunkBytes` at most are read ahead */
export function segmentReader(body: Pipeable, length: number, chunkBytes: number = CHUNK_BYTES): SegmentReader {
  const chunks = chunksOfPipeable(body);
  let unread = length;
  /** Bytes that were read and not asked for yet, and the chunk that they are part of. */
  let rest = new Uint8Array(0);
  let chunk = rest;

  async function fill(memory: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const { byteOffset, byteLength: wanted } = memory;
    const had = Math.min(rest.byteLength, wanted);
    memory.set(rest.subarray(0, had));
    rest = rest.subarray(had);
    if (had === wanted) return memory;
    const filled = await chunks.fill(memory.subarray(had));
    if (filled.byteLength < wanted - had) throw new KeepError('corrupt');
    unread -= filled.byteLength;
    return new Uint8Array(filled.buffer, byteOffset, wanted);
  }
  async function some(most: number): Promise<Uint8Array> {
    if (rest.byteLength === 0) {
      const next = await chunks.next(chunk, Math.min(chunkBytes, Math.max(unread, 1)));
      if (next === null) throw new KeepError('corrupt');
      unread -= next.byteLength;
      chunk = next as Uint8Array<ArrayBuffer>;
      rest = chunk;
    }
    const taken = rest.subarray(0, most);
    rest = rest.subarray(taken.byteLength);
    return taken;
  }
  return {
    fill,
    take: (wanted) => fill(new Uint8Array(wanted)),
    some,
    async skip(count) {
      for (let left = count; left > 0; ) left -= (await some(left)).byteLength;
    },
    cancel: (reason) => chunks.cancel(reason),
  };
}

function chunksOfPipeable(body: Pipeable): ByteChunks {
  if (body instanceof ReadableStream) {
    try {
      return chunksOf(body);
    } catch {
      // Not a byte stream.
    }
  }
  const { readable, writable } = new IdentityTransformStream();
  const piping = new AbortController();
  const piped = body.pipeTo(writable, { preventClose: true, signal: piping.signal }).then(
    () => writable.close(),
    (error) => writable.abort(error),
  );
  // The reader sees the failure.
  piped.catch(() => undefined);
  const chunks = chunksOf(readable);
  return {
    ...chunks,
    async cancel(reason) {
      piping.abort(reason);
      await chunks.cancel(reason);
    },
  };
}
