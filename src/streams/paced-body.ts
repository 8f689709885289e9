import { KeepError } from '../keep/errors.ts';
import type { Chunks } from './chunks.ts';
import type { PumpedBody } from './part.ts';

/** Small chunks for new or slow readers: buffered bytes count against the isolate's 128 MB. */
const SLOW_CHUNK_BYTES = 128 * 1024;
/** For a fast reader: fewer and larger writes to its socket cost less. */
const QUICK_CHUNK_BYTES = 1024 * 1024;
/** Bytes that a reader must have taken fast in a row: fewer may only have filled buffers on the way. */
const QUICK_AFTER_BYTES = 6 * 1024 * 1024;
/** Fewer bytes than these a millisecond are slow. */
const QUICK_BYTES_PER_MS = 20_000;

/**
 * Chunks as the body of an answer. Nothing is read before the reader asks; faster readers get larger chunks (see
 * docs/decisions.md). Two buffers take turns: a chunk is valid until the second one after it is asked for.
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
  // The reader of the body sees every failure; here it is only kept from counting as unhandled.
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
 * How large the next chunk should be. A reader is slow when it leaves a chunk untaken. For large chunks a slow store
 * counts as well: what waits for it takes as much memory.
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
