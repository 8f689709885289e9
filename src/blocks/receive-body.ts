/**
 * Moves a body of another server natively into a receiver that must know its length beforehand, such as a store. Tells
 * the server's faults from the receiver's, so that another server can be asked.
 *
 * @param size bytes, by the locator or by the server
 * @returns what `receive` returned, or why it failed though the body was sound
 * @throws the body's own failure: it broke off, or had another length
 */
export async function receiveBody<Result>(
  body: ReadableStream<Uint8Array>,
  size: number,
  receive: (body: ReadableStream<Uint8Array>) => Promise<Result>,
): Promise<{ received: Result } | { failed: unknown }> {
  const { readable, writable } = new FixedLengthStream(size);
  const over = new AbortController();
  const fault = faultOf(body, writable, over.signal);
  try {
    const received = await receive(readable);
    // A receiver may be done without the body: it has the block already.
    over.abort(new Error('not needed'));
    return { received };
  } catch (failed) {
    over.abort(failed);
    const error = (await fault) ?? wrongLengthIn(failed);
    if (error !== null) throw error;
    return { failed };
  }
}

/** What is wrong with a body, once it has been moved; null when it is sound, or when the receiver stopped. */
async function faultOf(
  body: ReadableStream<Uint8Array>,
  writable: WritableStream<Uint8Array>,
  signal: AbortSignal,
): Promise<Error | null> {
  try {
    await body.pipeTo(writable, { signal, preventCancel: true });
    return null;
  } catch (error) {
    const reader = body.getReader();
    const own =
      isWrongLength(error) || error === signal.reason
        ? null
        : await Promise.race([reader.read().then(() => null, asError), delayed(SETTLED_MS)]);
    await reader.cancel(error).catch(() => undefined);
    return isWrongLength(error) ? asError(error) : own;
  }
}

/** A body that has failed says so at once; one that goes on may take its time. */
const SETTLED_MS = 20;

function delayed(milliseconds: number): Promise<null> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, null));
}

/** A receiver may fail because of the length before the pipe does. */
function wrongLengthIn(error: unknown): Error | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (isWrongLength(cause)) return cause;
  return null;
}

/** The runtime's only sign of a body that is shorter or longer than announced. */
function isWrongLength(error: unknown): boolean {
  return error instanceof TypeError && error.message.includes('FixedLengthStream');
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
