import type { LazyPart, OpenPart, Part } from './part.ts';

/** A body under way. */
export interface Concatenation {
  body: ReadableStream<Uint8Array>;
  /** Resolves when the last byte was taken; rejects with what broke the body off. */
  done: Promise<void>;
}

/**
 * One body of exactly `length` bytes out of parts, each piped natively. The next part is opened while the current one
 * flows, and never more than that one. When a part fails or falls short, the body breaks off: it never ends early as
 * if it were complete. When the reader goes away, or `signal` aborts, nothing more is opened and what is open is
 * cancelled. Streams of a FixedLengthStream or IdentityTransformStream cannot be parts: the runtime does not pipe one
 * into another.
 */
export function concatenate(parts: Iterable<Part>, length: number, signal: AbortSignal): Concatenation {
  const { readable, writable } = new FixedLengthStream(length);
  const done = pump(parts[Symbol.iterator](), writable, length, signal);
  // The reader of `body` sees the failure too; `done` may be unobserved.
  done.catch(() => undefined);
  return { body: readable, done };
}

async function pump(
  parts: Iterator<Part>,
  writable: WritableStream<Uint8Array>,
  length: number,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const gone = () => stop.abort(signal.reason);
  signal.addEventListener('abort', gone, { once: true });
  let ahead: Promise<OpenPart> | null = null;
  try {
    signal.throwIfAborted();
    const small = createGathering(writable, Math.min(length, GATHERED_BYTES));
    ahead = openNext(parts, stop.signal);
    while (ahead !== null) {
      const current: OpenPart = await ahead.catch((error) => small.flush().then(() => Promise.reject(error)));
      ahead = openNext(parts, stop.signal);
      if (current instanceof Uint8Array) {
        await small.add(current);
      } else {
        await small.flush();
        await unlessAborted(current.pipeTo(writable, { preventClose: true, signal: stop.signal }), stop.signal);
      }
    }
    await small.flush();
    await writable.close();
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled([writable.abort(error), ahead?.then((part) => discard(part, error))]);
    throw error;
  } finally {
    signal.removeEventListener('abort', gone);
  }
}

function openNext(parts: Iterator<Part>, signal: AbortSignal): Promise<OpenPart> | null {
  const next = parts.next();
  if (next.done === true) return null;
  const part = next.value;
  const opened = part instanceof Uint8Array ? Promise.resolve(part) : openLazily(part, signal);
  // A failure counts when the part's turn comes, not before.
  opened.catch(() => undefined);
  return opened;
}

async function openLazily(part: LazyPart, signal: AbortSignal): Promise<OpenPart> {
  const opened = await part.open(signal);
  if (!signal.aborted) return opened;
  await discard(opened, signal.reason);
  throw signal.reason;
}

/** Small bytes are sent together: each write is a crossing into native code. */
const GATHERED_BYTES = 64 * 1024;

/** @param most bytes that are gathered */
function createGathering(writable: WritableStream<Uint8Array>, most: number) {
  let gathered: Uint8Array | undefined;
  let length = 0;
  const write = async (bytes: Uint8Array) => {
    const writer = writable.getWriter();
    try {
      await writer.write(bytes);
    } finally {
      writer.releaseLock();
    }
  };
  const flush = async () => {
    if (gathered === undefined || length === 0) return;
    const bytes = gathered.subarray(0, length);
    length = 0;
    await write(bytes);
  };
  return {
    flush,
    async add(bytes: Uint8Array) {
      if (length + bytes.byteLength > most) await flush();
      if (bytes.byteLength > most) return write(bytes);
      gathered ??= new Uint8Array(most);
      gathered.set(bytes, length);
      length += bytes.byteLength;
    },
  };
}

/** A hanging store must not keep an abandoned body alive: the pipe is left behind, its own `signal` ends it. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function discard(part: OpenPart, reason: unknown): Promise<void> {
  if (!(part instanceof Uint8Array)) await part.cancel(reason);
}
