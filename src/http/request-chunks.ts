import { KeepError } from '../keep/errors.ts';

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

/** The whole body as text, for bodies whose length is bounded. Throws like requestChunks. */
export async function requestText(request: Request): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of requestChunks(request)) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}
