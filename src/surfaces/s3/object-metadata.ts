import type { FileMetadata } from '../../collections/edit/edits.ts';
import { decodeWords } from '../../http/encoded-words.ts';
import { S3Error } from './errors.ts';

const META = 'x-amz-meta-';
/** AWS's limit for names and values of x-amz-meta together. */
const MAX_VALUES_BYTES = 2048;
/** Of a single header that is kept. */
const MAX_HEADER_CHARS = 1000;
/** In values of headers: all control characters but the tab. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
export const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
const KEPT = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'];

/** What would be promised by taking them: the client's own key, and that nothing deletes the object. */
const PROMISES = [
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-object-lock-mode',
  'x-amz-object-lock-legal-hold',
];

/** Headers of a request, or what stands for them: lower-case names. */
export type Sent = Iterable<[string, string]> & { get(name: string): string | null | undefined };

/**
 * What is kept of a request's headers with the object. Values of `x-amz-meta-*` may be any text, as UTF-8 or in encoded
 * words (RFC 2047).
 * @throws S3Error MetadataTooLarge, InvalidArgument, NotImplemented
 */
export function objectMetadata(headers: Sent, now: number): FileMetadata {
  for (const name of PROMISES)
    if (headers.get(name)) throw new S3Error('NotImplemented', `this service cannot do what ${name} asks for`);
  const values: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of headers) {
    if (!name.startsWith(META) || name === META) continue;
    values[name.slice(META.length)] = decodeWords(value);
    bytes += new TextEncoder().encode(name.slice(META.length) + value).byteLength;
  }
  const kept = Object.fromEntries(
    KEPT.flatMap((name) => {
      const value = name === 'content-encoding' ? encodingOf(headers) : headers.get(name);
      return value ? [[name, value]] : [];
    }),
  );
  const contentType = headers.get('content-type') ?? 'binary/octet-stream';
  // Of a form, or of encoded words: no answer could have them as a header.
  if ([contentType, ...Object.values(kept), ...Object.values(values)].some((value) => CONTROL.test(value)))
    throw new S3Error('InvalidArgument', 'values of headers have no control characters');
  if (
    bytes > MAX_VALUES_BYTES ||
    [contentType, ...Object.values(kept)].some((value) => value.length > MAX_HEADER_CHARS)
  )
    throw new S3Error('MetadataTooLarge');
  return {
    contentType,
    ...(Object.keys(values).length === 0 ? {} : { values }),
    ...(Object.keys(kept).length === 0 ? {} : { headers: kept }),
    modified: now,
  };
}

/** Without the framing of the upload. */
function encodingOf(headers: Sent): string | null {
  const encodings = (headers.get('content-encoding') ?? '')
    .split(',')
    .map((encoding) => encoding.trim())
    .filter((encoding) => encoding !== '' && encoding.toLowerCase() !== 'aws-chunked');
  return encodings.length === 0 ? null : encodings.join(', ');
}
