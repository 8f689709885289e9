import { KeepError } from '../keep/errors.ts';
import type { Pieces } from './chunks.ts';
import type { PumpedBody } from './pumped-body.ts';

/** While little has flowed, and for a slow reader: what waits for it takes room from everyone else's. */
const SLOW_PIECE_BYTES = 128 * 1024;
/** For a quick reader: fewer and larger writes to its socket cost less, and are soon done with. */
const QUICK_PIECE_BYTES = 1024 * 1024;
/** Bytes in a row that a reader must have taken quickly: so much may just have gone into buffers on the way. */
const QUICK_AFTER_BYTES = 6 * 1024 * 1024;
/** Fewer bytes than these a millisecond are slow. */
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
  const pace = createPace();
  let given = 0;
  let last: Uint8Array | undefined;
  let spent: Uint8Array | undefined;
  const stop = async (reason: unknown) => {
    signal?.removeEventListener('abort', onAbort);
    reject(reason);
    await pieces.cancel(reason);
  };
  const onAbort = () => void stop(new KeepError('client_gone', { cause: signal?.reason }));
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  // Whoever reads the body sees every failure; here it is only kept from counting as unhandled.
  done.catch(() => undefined);
  const body = new ReadableStream<Uint8Array>(
    {
      expectedLength: size,
      async pull(controller) {
        try {
          const piece = await pieces.next(spent, pace.ask(last?.byteLength ?? 0));
          if (piece === null) throw new KeepError('corrupt');
          spent = last;
          last = piece;
          given += piece.byteLength;
          controller.enqueue(piece);
          pace.given();
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

/**
 * How large the next piece should be. A reader is slow when it leaves a piece lying; so is, for a large piece, whoever
 * kept it waiting: what waits for a slow store takes as much room.
 */
function createPace() {
  let askedAt = Date.now();
  let givenAt = askedAt;
  let flowed = 0;
  return {
    /** @param taken bytes of the piece before */
    ask(taken: number): number {
      const now = Date.now();
      const since = taken < QUICK_PIECE_BYTES ? givenAt : askedAt;
      flowed = taken < (now - since) * QUICK_BYTES_PER_MS ? 0 : flowed + taken;
      askedAt = now;
      return flowed < QUICK_AFTER_BYTES ? SLOW_PIECE_BYTES : QUICK_PIECE_BYTES;
    },
    given() {
      givenAt = Date.now();
    },
  };
}
