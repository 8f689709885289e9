import type { FileMetadata } from '../../collections/edit/edits.ts';
import { S3Error } from './errors.ts';

const META = 'x-amz-meta-';
/** AWS's limit for names and values of x-amz-meta together. */
const MAX_VALUES_BYTES = 2048;
/** Of a single header that is kept. */
const MAX_HEADER_CHARS = 1000;
const KEPT = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'];

/** What is kept of a request's headers with the object. @throws S3Error MetadataTooLarge */
export function objectMetadata(headers: Headers, now: number): FileMetadata {
  const values: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of headers) {
    if (!name.startsWith(META)) continue;
    values[name.slice(META.length)] = value;
    bytes += new TextEncoder().encode(name.slice(META.length) + value).byteLength;
  }
  const kept = Object.fromEntries(
    KEPT.flatMap((name) => {
      const value = name === 'content-encoding' ? encodingOf(headers) : headers.get(name);
      return value === null || value === '' ? [] : [[name, value]];
    }),
  );
  if (bytes > MAX_VALUES_BYTES || Object.values(kept).some((value) => value.length > MAX_HEADER_CHARS))
    throw new S3Error('MetadataTooLarge');
  return {
    contentType: (headers.get('content-type') ?? 'binary/octet-stream').slice(0, MAX_HEADER_CHARS),
    ...(Object.keys(values).length === 0 ? {} : { values }),
    ...(Object.keys(kept).length === 0 ? {} : { headers: kept }),
    modified: now,
  };
}

/** Without the framing of the upload. */
function encodingOf(headers: Headers): string | null {
  const encodings = (headers.get('content-encoding') ?? '')
    .split(',')
    .map((encoding) => encoding.trim())
    .filter((encoding) => encoding !== '' && encoding.toLowerCase() !== 'aws-chunked');
  return encodings.length === 0 ? null : encodings.join(', ');
}
