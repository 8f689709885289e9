/** How many bytes one crossing from native code into script carries, where nobody says otherwise. */
export const CHUNK_BYTES = 512 * 1024;

/** A body read chunk by chunk into byte buffers that are used again. */
export interface Chunks {
  /**
   * The next chunk; null at the end.
   * @param spent a former chunk whose memory may be overwritten
   * @param bytes of the chunk (CHUNK_BYTES if not told); the last one may be shorter, and any where chunks come as they are
   */
  next(spent?: Uint8Array, bytes?: number): Promise<Uint8Array | null>;
  cancel(reason: unknown): Promise<void>;
}

/**
 * Takes the lock of `body`, which must be a byte stream (every native body is).
 * @param atLeast bytes of a chunk, for sources so slow that somebody wants to see them come
 */
export function chunksOf(body: ReadableStream<Uint8Array>, atLeast?: number): Chunks {
  const reader = body.getReader({ mode: 'byob' });
  return {
    async next(spent, bytes = CHUNK_BYTES) {
      const buffer = spent?.buffer.byteLength === bytes ? spent.buffer : new ArrayBuffer(bytes);
      const view = new Uint8Array(buffer as ArrayBuffer);
      const { value } = await reader.readAtLeast(Math.min(atLeast ?? bytes, bytes), view);
      return value === undefined || value.byteLength === 0 ? null : value;
    },
    async cancel(reason) {
      await reader.cancel(reason).catch(() => undefined);
    },
  };
}

/**
 * The chunks of any body, for those who take them as they come: those of `pacedBody` have lengths of their own, and are
 * lent until the second one after it is asked for.
 */
export function anyChunksOf(body: ReadableStream<Uint8Array>): Chunks {
  try {
    return chunksOf(body);
  } catch {
    // No byte stream.
    const reader = body.getReader();
    return { next: async () => (await reader.read()).value ?? null, cancel: (reason) => reader.cancel(reason) };
  }
}
