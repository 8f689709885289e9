import { KeepError } from '../keep/errors.ts';
import { CHUNK_BYTES, type Chunks, chunksOf } from './chunks.ts';
import type { Pipeable } from './part.ts';

/** Reads a body front to back in pieces of given lengths. */
export interface SegmentReader {
  /** Exactly `length` bytes. @throws KeepError corrupt when the body ends before; what reading it throws */
  take(length: number): Promise<Uint8Array>;
  /** Between 1 and `most` bytes, as they come. */
  some(most: number): Promise<Uint8Array>;
  skip(length: number): Promise<void>;
  cancel(reason: unknown): Promise<void>;
}

/** @param length bytes of the body */
export function segmentReader(body: Pipeable, length: number): SegmentReader {
  const chunks = chunksOfPipeable(body);
  let unread = length;
  let chunk = new Uint8Array(0);

  const more = async () => {
    // Its memory is not used again: pieces of it are handed out.
    const next = await chunks.next(undefined, Math.min(CHUNK_BYTES, Math.max(unread, 1)));
    if (next === null) throw new KeepError('corrupt');
    unread -= next.byteLength;
    chunk = next as Uint8Array<ArrayBuffer>;
  };
  const some = async (most: number) => {
    if (chunk.byteLength === 0) await more();
    const taken = chunk.subarray(0, most);
    chunk = chunk.subarray(taken.byteLength);
    return taken;
  };
  return {
    some,
    async take(wanted) {
      const first = await some(wanted);
      if (first.byteLength === wanted) return first;
      const all = new Uint8Array(wanted);
      all.set(first);
      for (let at = first.byteLength; at < wanted; ) {
        const next = await some(wanted - at);
        all.set(next, at);
        at += next.byteLength;
      }
      return all;
    },
    async skip(count) {
      for (let left = count; left > 0; ) left -= (await some(left)).byteLength;
    },
    cancel: (reason) => chunks.cancel(reason),
  };
}

function chunksOfPipeable(body: Pipeable): Chunks {
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
    next: chunks.next,
    async cancel(reason) {
      piping.abort(reason);
      await chunks.cancel(reason);
    },
  };
}
