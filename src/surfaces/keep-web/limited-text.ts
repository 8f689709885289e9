import { requestChunks } from '../../http/request-chunks.ts';
import { KeepError } from '../../keep/errors.ts';

/** WebDAV bodies are a few property names, or a lock's owner. */
export const MAX_DAV_BODY_BYTES = 64 * 1024;

/** The text of a WebDAV body, which may come without a length. @throws KeepError too_large */
export async function limitedText(request: Request): Promise<string> {
  if (Number(request.headers.get('Content-Length') ?? 0) > MAX_DAV_BODY_BYTES) throw tooLarge(request);
  const decoder = new TextDecoder();
  let [text, bytes] = ['', 0];
  for await (const chunk of requestChunks(request)) {
    bytes += chunk.byteLength;
    if (bytes > MAX_DAV_BODY_BYTES) throw tooLarge(request);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function tooLarge({ method }: Request): KeepError {
  return new KeepError('too_large', { message: `a ${method} body may have at most ${MAX_DAV_BODY_BYTES} bytes` });
}
