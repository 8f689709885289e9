import { KeepError } from '../keep/errors.ts';
import { heldChunks } from './request-chunks.ts';

/** The text of a small body, which may come without a length. @throws KeepError too_large, bad_request, unavailable as heldChunks */
export async function limitedText(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get('Content-Length') ?? 0) > maxBytes) throw tooLarge(request, maxBytes);
  const decoder = new TextDecoder();
  let [text, bytes] = ['', 0];
  for await (const chunk of heldChunks(request)) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge(request, maxBytes);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function tooLarge({ method }: Request, maxBytes: number): KeepError {
  return new KeepError('too_large', { message: `a ${method} body may have at most ${maxBytes} bytes` });
}
