import type { Pipeable } from './part.ts';
import { anyPiecesOf } from './pieces.ts';

/**
 * A body that script moves piece by piece: for those that script moves anyway (the runtime pipes none that comes out of
 * a transform stream into another one), and for those whose bytes have to be seen on the way.
 */
export function pipePieces(body: ReadableStream<Uint8Array>, watcher?: PieceWatcher): Pipeable {
  return {
    async pipeTo(to, { signal }) {
      const pieces = anyPiecesOf(body);
      const writer = to.getWriter();
      const stop = () => void pieces.cancel(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      try {
        let spent: Uint8Array | undefined;
        for (;;) {
          const piece = await pieces.next(spent);
          signal.throwIfAborted();
          if (piece === null) break;
          await Promise.all([watcher?.write(piece), writer.write(piece)]);
          spent = piece;
        }
        await watcher?.end();
      } catch (error) {
        await Promise.all([pieces.cancel(error), watcher?.abort(error)]);
        throw error;
      } finally {
        signal.removeEventListener('abort', stop);
        writer.releaseLock();
      }
    },
    cancel: (reason) => body.cancel(reason),
  };
}

/** Gets each piece while it is sent; its memory is used again afterwards. */
export interface PieceWatcher {
  write(piece: Uint8Array): Promise<void>;
  end(): Promise<void>;
  abort(reason: unknown): Promise<void>;
}
