import { anyChunksOf, type Chunks } from './chunks.ts';
import type { Pipeable } from './part.ts';

/**
 * A body that script moves chunk by chunk: for those that script moves anyway (the runtime pipes none that comes out of
 * a transform stream into another one), and for those whose bytes have to be seen on the way.
 */
export function pipeChunks(body: ReadableStream<Uint8Array>, watcher?: ChunkWatcher): Pipeable {
  return movedBy(body, async (next, writer) => {
    for (let chunk = await next(); chunk !== null; chunk = await next(chunk)) {
      watcher?.note(chunk);
      await writer.write(chunk);
    }
    watcher?.end();
  });
}

/** Sees each chunk before it is sent; its memory is used again afterwards. */
export interface ChunkWatcher {
  note(chunk: Uint8Array): void;
  /** All have been sent. */
  end(): void;
}

/** A body whose chunks `move` brings to a writer, which it leaves open. Stopped by the signal; cancelled when it fails. */
export function movedBy(
  body: ReadableStream<Uint8Array>,
  move: (next: Chunks['next'], writer: WritableStreamDefaultWriter<Uint8Array>) => Promise<void>,
): Pipeable {
  return {
    async pipeTo(to, { signal }) {
      const chunks = anyChunksOf(body);
      const writer = to.getWriter();
      const stop = () => void chunks.cancel(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      const next: Chunks['next'] = async (spent) => {
        const chunk = await chunks.next(spent);
        signal.throwIfAborted();
        return chunk;
      };
      try {
        await move(next, writer);
      } catch (error) {
        await chunks.cancel(error);
        throw error;
      } finally {
        signal.removeEventListener('abort', stop);
        writer.releaseLock();
      }
    },
    cancel: (reason) => body.cancel(reason),
  };
}
