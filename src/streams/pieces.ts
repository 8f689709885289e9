/**
 * How many bytes one crossing from native code into script carries. Each crossing costs about 60 µs, so larger is
 * cheaper; but each streaming request that script pumps holds one in memory, and 32 slow readers are to stay under 64 MiB
 * (see docs/decisions.md).
 */
export const PIECE_BYTES = 512 * 1024;

/** A body read in pieces of PIECE_BYTES (the last may be shorter) with byte buffers that are used again. */
export interface Pieces {
  /** The next piece; null at the end. `spent` is a former piece whose memory may be overwritten. */
  next(spent?: Uint8Array): Promise<Uint8Array | null>;
  cancel(reason: unknown): Promise<void>;
  /** Gives up the lock: what has not been read is in `body` again. */
  release(): void;
}

/**
 * Takes the lock of `body`, which must be a byte stream (every native body is).
 * @param atLeast bytes of a piece, for sources so slow that somebody wants to see them come
 */
export function piecesOf(body: ReadableStream<Uint8Array>, atLeast = PIECE_BYTES): Pieces {
  const reader = body.getReader({ mode: 'byob' });
  return {
    async next(spent) {
      const buffer =
        spent !== undefined && spent.buffer.byteLength === PIECE_BYTES ? spent.buffer : new ArrayBuffer(PIECE_BYTES);
      const { value } = await reader.readAtLeast(atLeast, new Uint8Array(buffer as ArrayBuffer));
      return value === undefined || value.byteLength === 0 ? null : value;
    },
    async cancel(reason) {
      await reader.cancel(reason).catch(() => undefined);
    },
    release: () => reader.releaseLock(),
  };
}
