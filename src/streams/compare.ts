import { type Chunks, chunksOf } from './chunks.ts';

/** Where two bodies part. */
export interface Difference {
  /** Bytes before this offset are equal. */
  offset: number;
  /** What `left` has from there on, up to one chunk; null when it ended. */
  chunk: Uint8Array | null;
  /** The rest of `left`, still unread. */
  rest: Chunks;
}

/**
 * Compares two bodies chunk by chunk with the runtime's native comparison. `right` is always used up or cancelled;
 * of `left`, what was not needed is handed back.
 *
 * @returns null when they are equal
 */
export async function firstDifference(
  left: ReadableStream<Uint8Array>,
  right: ReadableStream<Uint8Array>,
): Promise<Difference | null> {
  const a = chunksOf(left);
  const b = chunksOf(right);
  let offset = 0;
  let spentA: Uint8Array | undefined;
  let spentB: Uint8Array | undefined;
  try {
    for (;;) {
      const [chunkA, chunkB] = await Promise.all([a.next(spentA), b.next(spentB)]);
      if (chunkA === null && chunkB === null) return null;
      if (chunkA === null || chunkB === null || !equal(chunkA, chunkB)) {
        await b.cancel('the bodies differ');
        return { offset, chunk: chunkA, rest: a };
      }
      offset += chunkA.byteLength;
      spentA = chunkA;
      spentB = chunkB;
    }
  } catch (error) {
    await Promise.all([a.cancel(error), b.cancel(error)]);
    throw error;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
