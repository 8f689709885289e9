import { KeepError } from '../keep/errors.ts';
import type { Chunks } from './chunks.ts';
import type { PumpedBody } from './part.ts';

/** While little has flowed, and for a slow reader: what waits for it takes room from everyone else's. */
const SLOW_CHUNK_BYTES = 128 * 1024;
/** For a quick reader: fewer and larger writes to its socket cost less, and are soon done with. */
const QUICK_CHUNK_BYTES = 1024 * 1024;
/** Bytes in a row that a reader must have taken quickly: so much may just have gone into buffers on the way. */
const QUICK_AFTER_BYTES = 6 * 1024 * 1024;
/** Fewer bytes than these a millisecond are slow. */
const QUICK_BYTES_PER_MS = 20_000;

/**
 * Chunks as the body of an answer. Nothing is read before its reader wants it; the chunks are as large as the reader is
 * quick (see docs/decisions.md). Two buffers take turns: a chunk is valid until the second one after it is asked for.
 *
 * @param size bytes of the whole body; chunks that end early break it off
 * @param signal of the client: when it goes away, the source is let go even if it hangs
 */
export function pacedBody(chunks: Chunks, size: number, signal: AbortSignal | undefined): PumpedBody {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const pace = createPace();
  let given = 0;
  let last: Uint8Array | undefined;
  let spent: Uint8Array | undefined;
  const stop = async (reason: unknown) => {
    signal?.removeEventListener('abort', onAbort);
    reject(reason);
    await chunks.cancel(reason);
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
          const chunk = await chunks.next(spent, pace.ask(last?.byteLength ?? 0));
          if (chunk === null) throw new KeepError('corrupt');
          spent = last;
          last = chunk;
          given += chunk.byteLength;
          controller.enqueue(chunk);
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
 * How large the next chunk should be. A reader is slow when it leaves a chunk lying; so is, for a large chunk, whoever
 * kept it waiting: what waits for a slow store takes as much room.
 */
function createPace() {
  let askedAt = Date.now();
  let givenAt = askedAt;
  let flowed = 0;
  return {
    /** @param taken bytes of the chunk before */
    ask(taken: number): number {
      const now = Date.now();
      const since = taken < QUICK_CHUNK_BYTES ? givenAt : askedAt;
      flowed = taken < (now - since) * QUICK_BYTES_PER_MS ? 0 : flowed + taken;
      askedAt = now;
      return flowed < QUICK_AFTER_BYTES ? SLOW_CHUNK_BYTES : QUICK_CHUNK_BYTES;
    },
    given() {
      givenAt = Date.now();
    },
  };
}
