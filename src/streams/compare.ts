import { type Pieces, piecesOf } from './chunks.ts';

/** Where two bodies part. */
export interface Difference {
  /** Bytes before this offset are equal. */
  offset: number;
  /** What `left` has from there on, up to one piece; null when it ended. */
  piece: Uint8Array | null;
  /** The rest of `left`, still unread. */
  rest: Pieces;
}

/**
 * Compares two bodies piece by piece with the runtime's native comparison. `right` is always used up or cancelled;
 * of `left`, what was not needed is handed back.
 *
 * @returns null when they are equal
 */
export async function firstDifference(
  left: ReadableStream<Uint8Array>,
  right: ReadableStream<Uint8Array>,
): Promise<Difference | null> {
  const a = piecesOf(left);
  const b = piecesOf(right);
  let offset = 0;
  let spentA: Uint8Array | undefined;
  let spentB: Uint8Array | undefined;
  try {
    for (;;) {
      const [pieceA, pieceB] = await Promise.all([a.next(spentA), b.next(spentB)]);
      if (pieceA === null && pieceB === null) return null;
      if (pieceA === null || pieceB === null || !equal(pieceA, pieceB)) {
        await b.cancel('the bodies differ');
        return { offset, piece: pieceA, rest: a };
      }
      offset += pieceA.byteLength;
      spentA = pieceA;
      spentB = pieceB;
    }
  } catch (error) {
    await Promise.all([a.cancel(error), b.cancel(error)]);
    throw error;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
