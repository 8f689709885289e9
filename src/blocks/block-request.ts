import type { RequestContext } from '../http/context.ts';
import { KeepError } from '../keep/errors.ts';
import { MAX_BLOCK_BYTES } from '../keep/limits.ts';

/** What writes of blocks need to know about the writer. */
export interface WriterDependencies {
  /** Resolves to the writing user's UUID when this request may write blocks. @throws KeepError `unauthorized`, `forbidden` */
  requireWriter: (context: RequestContext) => Promise<string>;
  /** Notes an accepted block in the upload log, without waiting for it. */
  recordUpload: (context: RequestContext, hash: string, size: number, userUuid: string) => void;
}

/** @throws KeepError `length_required`, `too_large`: before a byte of the body is asked for */
export function announcedLength({ headers }: Request): number {
  const text = headers.get('Content-Length');
  if (text === null || !/^\d+$/.test(text)) throw new KeepError('length_required');
  const size = Number(text);
  if (size > MAX_BLOCK_BYTES) throw new KeepError('too_large');
  return size;
}

export function bodyOf(request: Request): ReadableStream<Uint8Array> {
  return request.body ?? new Response(new Uint8Array(0)).body ?? new ReadableStream();
}

export function listOf(header: string | null): string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
