import { KeepError } from '../keep/errors.ts';
import type { Pieces } from './pieces.ts';
import type { PumpedBody } from './pumped-body.ts';

/** While little has flowed, and for a slow reader: what waits for it takes room from everyone else's. */
const SLOW_PIECE_BYTES = 64 * 1024;
/** For a quick reader: fewer and larger writes to its socket cost less. It waits for nothing, so few are held at a time. */
const QUICK_PIECE_BYTES = 1024 * 1024;
/** Bytes in a row that a reader must have taken quickly: less fits into the buffers on the way to a slow one. */
const QUICK_AFTER_BYTES = 4 * 1024 * 1024;
/** Taking fewer bytes than these a millisecond is slow. */
const QUICK_BYTES_PER_MS = 20_000;

/**
 * Pieces as the body of an answer. Nothing is read before its reader wants it; the pieces are as large as the reader is
 * quick (see docs/decisions.md). Two buffers take turns: a piece is valid until the second one after it is asked for.
 *
 * @param size bytes of the whole body; pieces that end early break it off
 * @param signal of the client: when it goes away, the source is let go even if it hangs
 */
export function pacedBody(pieces: Pieces, size: number, signal: AbortSignal | undefined): PumpedBody {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const nextBytes = createPace();
  let given = 0;
  let last: Uint8Array | undefined;
  let spent: Uint8Array | undefined;
  const stop = async (reason: unknown) => {
    signal?.removeEventListener('abort', onAbort);
    reject(reason);
    await pieces.cancel(reason);
  };
  const onAbort = () => void stop(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  // Whoever reads the body sees every failure; here it is only kept from counting as unhandled.
  done.catch(() => undefined);
  const body = new ReadableStream<Uint8Array>(
    {
      expectedLength: size,
      async pull(controller) {
        try {
          const piece = await pieces.next(spent, nextBytes(last?.byteLength ?? 0));
          if (piece === null) throw new KeepError('corrupt');
          spent = last;
          last = piece;
          given += piece.byteLength;
          controller.enqueue(piece);
          if (given < size) return;
          controller.close();
          signal?.removeEventListener('abort', onAbort);
          resolve();
        } catch (error) {
          await stop(error);
          throw error;
        }
      },
      cancel: (reason) => stop(reason ?? new KeepError('client_gone')),
    },
    { highWaterMark: 0 },
  );
  return { body, done };
}

/** @returns how large the next piece should be, told how large the one was that has just been taken */
function createPace(): (taken: number) => number {
  let asked = Date.now();
  let flowed = 0;
  return (taken) => {
    const now = Date.now();
    flowed = taken < (now - asked) * QUICK_BYTES_PER_MS ? 0 : flowed + taken;
    asked = now;
    return flowed < QUICK_AFTER_BYTES ? SLOW_PIECE_BYTES : QUICK_PIECE_BYTES;
  };
}
