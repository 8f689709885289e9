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
  const done = pump(parts[Symbol.iterator](), writable, signal);
  // The reader of `body` sees the failure too; `done` may be unobserved.
  done.catch(() => undefined);
  return { body: readable, done };
}

async function pump(parts: Iterator<Part>, writable: WritableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const gone = () => stop.abort(signal.reason);
  signal.addEventListener('abort', gone, { once: true });
  let ahead: Promise<OpenPart> | null = null;
  try {
    signal.throwIfAborted();
    ahead = openNext(parts, stop.signal);
    while (ahead !== null) {
      const current: OpenPart = await ahead;
      ahead = openNext(parts, stop.signal);
      await send(current, writable, stop.signal);
    }
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

async function send(part: OpenPart, writable: WritableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
  if (!(part instanceof Uint8Array)) {
    await unlessAborted(part.pipeTo(writable, { preventClose: true, signal }), signal);
    return;
  }
  const writer = writable.getWriter();
  try {
    await writer.write(part);
  } finally {
    writer.releaseLock();
  }
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
