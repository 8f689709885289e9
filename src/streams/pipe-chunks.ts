import { anyPiecesOf, type Pieces } from './chunks.ts';
import type { Pipeable } from './part.ts';

/**
 * A body that script moves piece by piece: for those that script moves anyway (the runtime pipes none that comes out of
 * a transform stream into another one), and for those whose bytes have to be seen on the way.
 */
export function pipePieces(body: ReadableStream<Uint8Array>, watcher?: PieceWatcher): Pipeable {
  return movedBy(body, async (next, writer) => {
    try {
      for (let piece = await next(); piece !== null; piece = await next(piece))
        await Promise.all([watcher?.write(piece), writer.write(piece)]);
      await watcher?.end();
    } catch (error) {
      await watcher?.abort(error);
      throw error;
    }
  });
}

/** Gets each piece while it is sent; its memory is used again afterwards. */
export interface PieceWatcher {
  write(piece: Uint8Array): Promise<void>;
  end(): Promise<void>;
  abort(reason: unknown): Promise<void>;
}

/** A body whose pieces `move` brings to a writer, which it leaves open. Stopped by the signal; cancelled when it fails. */
export function movedBy(
  body: ReadableStream<Uint8Array>,
  move: (next: Pieces['next'], writer: WritableStreamDefaultWriter<Uint8Array>) => Promise<void>,
): Pipeable {
  return {
    async pipeTo(to, { signal }) {
      const pieces = anyPiecesOf(body);
      const writer = to.getWriter();
      const stop = () => void pieces.cancel(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      const next: Pieces['next'] = async (spent) => {
        const piece = await pieces.next(spent);
        signal.throwIfAborted();
        return piece;
      };
      try {
        await move(next, writer);
      } catch (error) {
        await pieces.cancel(error);
        throw error;
      } finally {
        signal.removeEventListener('abort', stop);
        writer.releaseLock();
      }
    },
    cancel: (reason) => body.cancel(reason),
  };
}
