/** How many bytes one crossing from native code into script carries, where nobody says otherwise. */
export const PIECE_BYTES = 512 * 1024;

/** A body read piece by piece into byte buffers that are used again. */
export interface Pieces {
  /**
   * The next piece; null at the end.
   * @param spent a former piece whose memory may be overwritten
   * @param bytes of the piece (PIECE_BYTES if not told); the last one may be shorter
   */
  next(spent?: Uint8Array, bytes?: number): Promise<Uint8Array | null>;
  cancel(reason: unknown): Promise<void>;
  /** Gives up the lock: what has not been read is in `body` again. */
  release(): void;
}

/**
 * Takes the lock of `body`: a byte stream, as every native body is, or one of `pacedBody`, whose own pieces are then
 * handed on as they are, each to be done with before the one after the next is asked for.
 * @param atLeast bytes of a piece, for sources so slow that somebody wants to see them come
 */
export function piecesOf(body: ReadableStream<Uint8Array>, atLeast?: number): Pieces {
  const reader = readerOf(body);
  return {
    async next(spent, bytes = PIECE_BYTES) {
      if (!('readAtLeast' in reader)) return (await reader.read()).value ?? null;
      const buffer = spent?.buffer.byteLength === bytes ? spent.buffer : new ArrayBuffer(bytes);
      const view = new Uint8Array(buffer as ArrayBuffer);
      const { value } = await reader.readAtLeast(Math.min(atLeast ?? bytes, bytes), view);
      return value === undefined || value.byteLength === 0 ? null : value;
    },
    async cancel(reason) {
      await reader.cancel(reason).catch(() => undefined);
    },
    release: () => reader.releaseLock(),
  };
}

function readerOf(body: ReadableStream<Uint8Array>) {
  try {
    return body.getReader({ mode: 'byob' });
  } catch {
    return body.getReader();
  }
}
