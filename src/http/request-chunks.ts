import { KeepError } from '../keep/errors.ts';
import { createHeldBudget, isolateMemory } from '../streams/held-budget.ts';
import { largerChunks } from '../streams/larger-chunks.ts';

/**
 * The body of a request in chunks. The runtime reports a body that breaks off, and one whose chunked framing is
 * malformed, like a connection lost to a store; here it is known to be the client's.
 * @throws KeepError bad_request
 */
export async function* requestChunks(request: Request): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of request.body ?? []) yield chunk;
  } catch (cause) {
    throw new KeepError('bad_request', { message: 'the request body broke off, or its chunks are malformed', cause });
  }
}

/** Bytes of bodies that are put together in memory, of all requests of an isolate: many may come slowly, and before a token is known. */
const heldBodies = createHeldBudget(24 * 1024 * 1024, isolateMemory);

/**
 * As requestChunks, for a body that is held until it is complete: in chunks that may be kept.
 * @throws KeepError bad_request; unavailable while too many such bodies are under way
 */
export async function* heldChunks(request: Request): AsyncGenerator<Uint8Array, void, undefined> {
  const held = heldBodies.reserve();
  try {
    for await (const chunk of largerChunks(requestChunks(request))) {
      held.require(chunk.byteLength);
      yield chunk;
    }
  } finally {
    held.release();
  }
}

/** The whole body as text, for bodies whose length is bounded. Throws like heldChunks. */
export async function requestText(request: Request): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of heldChunks(request)) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}
