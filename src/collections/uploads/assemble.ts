import { md5 } from '@noble/hashes/legacy.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { KeepError } from '../../keep/errors.ts';
import { combineCrcs, isCrc } from '../../streams/combine-crc.ts';
import { createDigest, type DigestName } from '../../streams/digests.ts';
import { joinBytes } from '../../streams/join-bytes.ts';
import type { BlockRange } from '../edit/edits.ts';
import type { PartRows, UploadPart } from './part-rows.ts';
import { type CompletedUpload, type CompleteRequest, MAX_PARTS, type UploadChecksum } from './upload.ts';

/** Ranges of blocks that the parts of one object may have in all: more than S3's largest object has blocks. */
const MAX_RANGES = 100_000;
const DIGESTS = {
  crc32: 'crc32',
  crc32c: 'crc32c',
  crc64nvme: 'crc64nvme',
  sha1: 'SHA-1',
  sha256: 'SHA-256',
} as const satisfies Record<UploadChecksum['name'], DigestName>;

/**
 * The object that parts make, in the order of their numbers.
 * @throws KeepError invalid_list when a part is missing or another one than the client means; body_mismatch when the
 *   whole is not what the client says; too_large
 */
export async function assemble(
  { id, parts: wanted, checksum, size }: CompleteRequest,
  rows: PartRows,
  kind: UploadChecksum | null,
): Promise<CompletedUpload & { ranges: BlockRange[] }> {
  const stored = new Map(rows.list(id, 0, MAX_PARTS).map((part) => [part.number, part]));
  const parts = wanted.map((want) => {
    const part = stored.get(want.number);
    if (part === undefined || part.etag !== want.etag || (want.checksum !== null && want.checksum !== part.checksum))
      throw new KeepError('invalid_list', {
        message: `part ${want.number} could not be found, or is another one than was named: its ETag or checksum differs`,
      });
    return part;
  });
  const ranges: BlockRange[] = [];
  for (const { number } of parts) {
    const more = rows.rangesOf(id, number);
    if (ranges.length + more.length > MAX_RANGES)
      throw new KeepError('too_large', { message: `an object may consist of ${MAX_RANGES} ranges of blocks` });
    for (const range of more) ranges.push(range);
  }
  const total = parts.reduce((sum, part) => sum + part.size, 0);
  if (size !== null && size !== total)
    throw new KeepError('body_mismatch', { message: `the parts have ${total} bytes, not ${size}` });
  const computed = kind === null ? null : await checksumOf(kind, parts);
  if (checksum !== null && checksum.name === kind?.name && bare(checksum.value) !== bare(computed ?? ''))
    throw new KeepError('body_mismatch', {
      message: 'The checksum you specified did not match the calculated checksum.',
    });
  const own = kind === null || computed === null ? null : { ...kind, value: computed };
  return { ranges, etag: compositeEtag(parts), size: total, checksum: own };
}

/** Clients send a composite checksum with and without the number of parts. */
function bare(checksum: string): string {
  return checksum.replace(/-\d+$/, '');
}

/** As AWS computes it: the MD5 of the parts' MD5s, and their number. */
function compositeEtag(parts: UploadPart[]): string {
  const hashes = joinBytes(
    parts.map(({ etag }) => hexToBytes(etag.slice(1, 33))),
    16 * parts.length,
  );
  return `"${bytesToHex(md5(hashes))}-${parts.length}"`;
}

async function checksumOf({ name, type }: UploadChecksum, parts: UploadPart[]): Promise<string> {
  const own = parts.map(({ checksum, size }) => ({ crc: fromBase64(checksum ?? ''), length: size }));
  if (type === 'FULL_OBJECT' && isCrc(name)) return toBase64(combineCrcs(name, own));
  const digest = createDigest(DIGESTS[name]);
  const sums = own.map(({ crc }) => crc);
  await digest.write(joinBytes(sums, sums.length * (sums[0]?.byteLength ?? 0)));
  return `${toBase64(await digest.bytes())}-${parts.length}`;
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
