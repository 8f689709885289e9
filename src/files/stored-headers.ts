import type { FileMetadata } from '../collections/edit/edits.ts';
import { encodeWords } from '../http/encoded-words.ts';
import { contentType } from './content-type.ts';

/** Types that say nothing: clients send them when they know none. */
const UNKNOWN = /^\s*(application|binary)\/octet-stream\s*($|;)/i;

/** The type under which a file is shown to people: the stored one, unless that says less than the name. */
export function shownType(metadata: FileMetadata | undefined, name: string): string {
  const stored = metadata?.contentType;
  return stored === undefined || UNKNOWN.test(stored) ? contentType(name) : stored;
}

/** What was stored beside a file, as far as every reader may have it: how it is encoded, and `x-amz-meta-*`, in encoded words (RFC 2047) where it is not ASCII. */
export function storedHeaders(metadata: FileMetadata | undefined): Record<string, string> {
  const { headers = {}, values = {} } = metadata ?? {};
  const kept = [
    ['Content-Encoding', headers['content-encoding']],
    ['Content-Language', headers['content-language']],
    ...Object.entries(values).map(([name, value]) => [`X-Amz-Meta-${name}`, encodeWords(value)]),
  ];
  return Object.fromEntries(kept.filter(([, value]) => value !== undefined));
}

/** What is stored compressed is sent as it is: the runtime would compress it once more. */
export function asStored(response: Response): Response {
  if (!response.headers.has('Content-Encoding')) return response;
  const { status, headers } = response;
  return new Response(response.body, { status, headers, encodeBody: 'manual' });
}
