/** Default number of bytes that one crossing from native code into script carries. */
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

/** Chunks of a byte stream, which can be read into given memory. */
export interface ByteChunks extends Chunks {
  /** The next bytes, as many as `memory` holds or as there are; its buffer is detached, the bytes lie in another one. */
  fill(memory: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Takes the lock of `body`, which must be a byte stream (every native body is).
 * @param atLeast fewer bytes suffice for a chunk; for slow sources whose progress is watched
 */
export function chunksOf(body: ReadableStream<Uint8Array>, atLeast?: number): ByteChunks {
  const reader = body.getReader({ mode: 'byob' });
  return {
    async next(spent, bytes = CHUNK_BYTES) {
      const buffer = spent?.buffer.byteLength === bytes ? spent.buffer : new ArrayBuffer(bytes);
      const view = new Uint8Array(buffer as ArrayBuffer);
      const { value } = await reader.readAtLeast(Math.min(atLeast ?? bytes, bytes), view);
      return value === undefined || value.byteLength === 0 ? null : value;
    },
    async fill(memory) {
      const { value } = await reader.readAtLeast(memory.byteLength, memory);
      return (value ?? new Uint8Array(0)) as Uint8Array<ArrayBuffer>;
    },
    async cancel(reason) {
      await reader.cancel(reason).catch(() => undefined);
    },
  };
}

/**
 * The chunks of any body, in any lengths. A chunk of `pacedBody` is valid until the second one after it is asked for.
 */
export function anyChunksOf(body: ReadableStream<Uint8Array>): Chunks {
  try {
    return chunksOf(body);
  } catch {
    // Not a byte stream.
    const reader = body.getReader();
    return { next: async () => (await reader.read()).value ?? null, cancel: (reason) => reader.cancel(reason) };
  }
}
