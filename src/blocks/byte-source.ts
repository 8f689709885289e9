import { blockBodies, fitChunk } from '../streams/body-budgets.ts';
import { anyChunksOf, CHUNK_BYTES } from '../streams/chunks.ts';
import type { Md5 } from '../streams/md5-stream.ts';

/** A body that is taken in lengths that the reader chooses. */
export interface ByteSource {
  /** The next bytes, at most `limit` of them, good until the next call; null at the end. */
  take(limit: number): Promise<Uint8Array | null>;
  /** Fills `target` from the body. @returns how many bytes there were */
  fill(target: Uint8Array): Promise<number>;
  cancel(reason: unknown): Promise<void>;
}

/**
 * Chunks are smaller while many bodies are under way. Take it to its end, or cancel it.
 * @param digest gets all bytes that are taken
 */
export function byteSource(body: ReadableStream<Uint8Array>, digest: Md5 | null = null): ByteSource {
  const chunks = anyChunksOf(body);
  const held = blockBodies.reserve();
  const most = fitChunk(held, CHUNK_BYTES);
  let rest: Uint8Array | null = null;
  let spent: Uint8Array | undefined;
  const take = async (limit: number): Promise<Uint8Array | null> => {
    const bytes = Math.min(limit, most);
    const chunk: Uint8Array | null = rest ?? (await chunks.next(spent, bytes));
    spent = undefined;
    rest = null;
    if (chunk === null) {
      held.release();
      return null;
    }
    const taken = chunk.subarray(0, limit);
    if (taken.byteLength < chunk.byteLength) rest = chunk.subarray(limit);
    else spent = chunk;
    await digest?.write(taken);
    return taken;
  };
  return {
    take,
    fill: (target) => fillFrom(take, target),
    async cancel(reason) {
      held.release();
      await chunks.cancel(reason).catch(() => undefined);
    },
  };
}

/** Fills memory by repeated takes. @returns bytes filled: fewer than there is room for at the end of the source */
export async function fillFrom(take: ByteSource['take'], target: Uint8Array): Promise<number> {
  let filled = 0;
  while (filled < target.byteLength) {
    const chunk = await take(target.byteLength - filled);
    if (chunk === null) break;
    target.set(chunk, filled);
    filled += chunk.byteLength;
  }
  return filled;
}

/** Bytes as a stream whose length the runtime knows. */
export function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Response(bytes).body ?? new ReadableStream();
}
