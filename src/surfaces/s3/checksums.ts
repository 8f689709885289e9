import type { UploadChecksum } from '../../collections/uploads/upload.ts';
import type { DigestName } from '../../streams/digests.ts';
import { S3Error } from './errors.ts';

/** Checksums that clients send and want back: the end of `x-amz-checksum-…`, S3's name, the runtime's, and length in bytes. */
export const CHECKSUMS = {
  crc32: { s3: 'CRC32', element: 'ChecksumCRC32', digest: 'crc32', bytes: 4 },
  crc32c: { s3: 'CRC32C', element: 'ChecksumCRC32C', digest: 'crc32c', bytes: 4 },
  crc64nvme: { s3: 'CRC64NVME', element: 'ChecksumCRC64NVME', digest: 'crc64nvme', bytes: 8 },
  sha1: { s3: 'SHA1', element: 'ChecksumSHA1', digest: 'SHA-1', bytes: 20 },
  sha256: { s3: 'SHA256', element: 'ChecksumSHA256', digest: 'SHA-256', bytes: 32 },
} as const satisfies Record<string, { s3: string; element: string; digest: DigestName; bytes: number }>;

export type ChecksumName = keyof typeof CHECKSUMS;

/** `COMPOSITE`: of the parts' checksums; `FULL_OBJECT`: of the content. */
export type ChecksumType = UploadChecksum['type'];

export interface Checksum {
  name: ChecksumName;
  /** Base64. */
  value: string;
}

const PREFIX = 'x-amz-checksum-';
/** Headers that begin like a checksum and are none. */
const OTHERS = new Set(['mode', 'algorithm', 'type']);
const NAMES = Object.keys(CHECKSUMS) as ChecksumName[];

/**
 * The checksum in a request's headers, or the one that its trailers will bring (value null). Null for none.
 * @throws S3Error InvalidRequest for two, for an unknown one, or one that is malformed
 */
export function announcedChecksum(headers: Headers): { name: ChecksumName; value: string | null } | null {
  const sent = [...headers].filter(([name]) => name.startsWith(PREFIX) && !OTHERS.has(name.slice(PREFIX.length)));
  const trailing = (headers.get('x-amz-trailer') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  if (sent.length + trailing.length > 1)
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  const [header] = sent;
  if (header !== undefined) return checkedChecksum(nameOf(header[0]), header[1]);
  const [trailer] = trailing;
  return trailer === undefined ? null : { name: nameOf(trailer), value: null };
}

/** @throws S3Error InvalidRequest for a value that is no such checksum */
export function checkedChecksum(name: ChecksumName, value: string): Checksum {
  const { bytes, s3 } = CHECKSUMS[name];
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(value) && value.length === Math.ceil(bytes / 3) * 4;
  if (!isBase64) throw new S3Error('InvalidRequest', `Value for x-amz-checksum-${s3.toLowerCase()} header is invalid.`);
  return { name, value };
}

function nameOf(header: string): ChecksumName {
  const name = NAMES.find((known) => header === PREFIX + known);
  if (name !== undefined) return name;
  throw new S3Error(
    'InvalidRequest',
    `this service has no ${header.slice(0, 60)}: send one of ${NAMES.map((known) => PREFIX + known).join(', ')}`,
  );
}

/** The checksum that S3 calls by this name, as in `x-amz-checksum-algorithm`. @throws S3Error InvalidRequest */
export function checksumNamed(text: string): ChecksumName {
  const name = NAMES.find((known) => CHECKSUMS[known].s3 === text.toUpperCase());
  if (name === undefined)
    throw new S3Error('InvalidRequest', `Checksum algorithm ${text.slice(0, 20)} is not supported here`);
  return name;
}

/** Response headers that give a checksum back. */
export function checksumHeaders(checksum: Checksum | null, type: ChecksumType = 'FULL_OBJECT'): Record<string, string> {
  return checksum === null ? {} : { [PREFIX + checksum.name]: checksum.value, 'x-amz-checksum-type': type };
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
