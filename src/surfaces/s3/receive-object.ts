import { bytesToHex } from '@noble/hashes/utils.js';
import { bodyOf } from '../../blocks/block-request.ts';
import type { BodyBlock, BodyDestination } from '../../blocks/body-blocks.ts';
import { type ByteSource, byteSource } from '../../blocks/byte-source.ts';
import { storeBody, storeSource } from '../../blocks/store-body.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { MAX_BLOCK_BYTES } from '../../keep/limits.ts';
import { createDigest, type Digest, type DigestName } from '../../streams/digests.ts';
import type { S3Call } from './call.ts';
import {
  announcedChecksum,
  CHECKSUMS,
  type Checksum,
  type ChecksumName,
  checkedChecksum,
  toBase64,
} from './checksums.ts';
import { type ChunkedSource, chunkedSource } from './chunked-source.ts';
import { S3Error } from './errors.ts';

/** A body that was stored, and found to be what its headers and trailers say. */
export interface ReceivedObject {
  blocks: BodyBlock[];
  size: number;
  /** Lowercase hex; null where it was neither asked for nor at hand. */
  md5: string | null;
  checksum: Checksum | null;
}

/** S3's limit for one request. */
const MAX_BODY_BYTES = 5 * 1024 ** 3;
const HEX_SHA256 = /^[0-9a-f]{64}$/;

/**
 * Stores the body of a request as blocks, and checks its length, signatures, digests and checksums. Nothing refers to
 * the blocks yet: a body that is refused leaves no trace.
 * @param options.md5 whether the body's MD5 is needed
 * @param options.checksum one to compute in any case
 * @throws S3Error IncompleteBody, BadDigest, XAmzContentSHA256Mismatch, SignatureDoesNotMatch, InvalidRequest and others
 */
export async function receiveObject(
  call: S3Call,
  to: BodyDestination,
  options: { md5?: boolean; checksum?: ChecksumName | null } = {},
): Promise<ReceivedObject> {
  const { context, signed } = call;
  const { headers } = context.request;
  const framing = framingOf(call);
  const length = framing === null ? plainLength(context.request) : framing.length;
  if (length !== null && length > MAX_BODY_BYTES) throw new S3Error('EntityTooLarge');
  const md5 = contentMd5(headers);
  const announced = announcedChecksum(headers);
  if (announced?.value === null && framing?.hasTrailers !== true)
    throw new S3Error('InvalidRequest', 'x-amz-trailer needs a body in a STREAMING- form with trailers');
  const sha256 = HEX_SHA256.test(signed?.payloadHash ?? '') ? (signed?.payloadHash ?? null) : null;
  const wantsMd5 = options.md5 === true && length !== null && length > MAX_BLOCK_BYTES;
  const checksum = announced?.name ?? options.checksum ?? null;

  const storing = (): Promise<{ blocks: BodyBlock[]; md5: string | null; checksum: Checksum | null }> => {
    const body = bodyOf(context.request);
    if (framing === null && sha256 === null && checksum === null && !wantsMd5)
      return storeBody(body, { length, isNative: length !== null, ...(md5 === null ? {} : { md5 }) }, to).then(
        (blocks) => ({ blocks, md5, checksum: null }),
      );
    const raw = byteSource(body);
    const content = framing === null ? raw : chunkedSource(raw, framing);
    const digests = createDigests([
      ...(sha256 === null ? [] : (['SHA-256'] as const)),
      ...(md5 === null && !wantsMd5 ? [] : (['MD5'] as const)),
      ...(checksum === null ? [] : [CHECKSUMS[checksum].digest]),
    ]);
    const found = { md5: null as string | null, checksum: null as Checksum | null };
    const finish = async () => {
      const results = await digests.results();
      if (sha256 !== null && hexOf(results, 'SHA-256') !== sha256) throw new S3Error('XAmzContentSHA256Mismatch');
      found.md5 = results.has('MD5') ? hexOf(results, 'MD5') : null;
      if (md5 !== null && found.md5 !== md5)
        throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.');
      if (checksum === null) return;
      const value = toBase64(results.get(CHECKSUMS[checksum].digest) ?? new Uint8Array());
      const expected = announced === null ? null : (announced.value ?? trailing(content as ChunkedSource, checksum));
      if (expected !== null && expected !== value)
        throw new S3Error(
          'BadDigest',
          `The ${CHECKSUMS[checksum].s3} you specified did not match the calculated checksum.`,
        );
      found.checksum = { name: checksum, value };
    };
    return storeSource(watched(content, digests), length, to, finish).then((blocks) => ({ blocks, ...found }));
  };
  const work = storing();
  // What was set aside is removed even when the client goes away.
  context.waitUntil(work.catch(() => undefined));
  const stored = await work.catch((error: unknown) => {
    throw failure(error, context.signal.aborted, md5 !== null);
  });
  if (context.signal.aborted) throw new KeepError('client_gone');
  const size = stored.blocks.reduce((sum, block) => sum + block.size, 0);
  const [only] = stored.blocks;
  const known = only === undefined ? 'd41d8cd98f00b204e9800998ecf8427e' : only.locator.slice(0, 32);
  return { ...stored, size, md5: stored.blocks.length <= 1 ? known : stored.md5 };
}

function failure(error: unknown, isGone: boolean, hasMd5: boolean): unknown {
  if (isGone) return new KeepError('client_gone', { cause: error });
  if (error instanceof S3Error || !isKeepError(error, 'body_mismatch')) return error;
  return new S3Error(hasMd5 ? 'BadDigest' : 'IncompleteBody', undefined, { cause: error });
}

/** How an `aws-chunked` body is framed; null for a plain one. What only looks like one is refused: framing would become content. */
function framingOf({ context, signed }: S3Call) {
  const { headers } = context.request;
  const form = signed?.payloadHash ?? '';
  const decoded = headers.get('x-amz-decoded-content-length');
  if (!form.startsWith('STREAMING-')) {
    // A hash of the body as it came says that it is the content.
    const isNamed = /(^|,)\s*aws-chunked\s*(,|$)/i.test(headers.get('content-encoding') ?? '');
    if (decoded !== null || (isNamed && !HEX_SHA256.test(form)))
      throw new S3Error('InvalidRequest', 'an aws-chunked body is announced by x-amz-content-sha256: STREAMING-…');
    return null;
  }
  if (decoded === null || !/^\d{1,15}$/.test(decoded))
    throw new S3Error('MissingContentLength', 'an aws-chunked body needs x-amz-decoded-content-length');
  return {
    length: Number(decoded),
    signed: form.startsWith('STREAMING-AWS4-') ? signed : null,
    hasTrailers: form.endsWith('-TRAILER'),
  };
}

function plainLength({ headers, body }: Request): number | null {
  const text = headers.get('Content-Length');
  if (text === null) return body === null ? 0 : null;
  if (!/^\d{1,15}$/.test(text)) throw new S3Error('InvalidArgument', 'Content-Length is not a number');
  return Number(text);
}

/** Lowercase hex. @throws S3Error InvalidDigest */
export function contentMd5(headers: Headers): string | null {
  const base64 = headers.get('Content-MD5');
  if (base64 === null) return null;
  if (!/^[A-Za-z0-9+/]{22}==$/.test(base64.trim())) throw new S3Error('InvalidDigest');
  return bytesToHex(Uint8Array.from(atob(base64.trim()), (char) => char.charCodeAt(0)));
}

function trailing(content: ChunkedSource, name: ChecksumName): string {
  const value = content.trailers().get(`x-amz-checksum-${name}`);
  if (value === undefined)
    throw new S3Error('MalformedTrailerError', `the trailer x-amz-checksum-${name}, which was announced, is missing`);
  return checkedChecksum(name, value).value;
}

function createDigests(names: readonly DigestName[]) {
  const digests = new Map<DigestName, Digest>([...new Set(names)].map((name) => [name, createDigest(name)]));
  return {
    write: (bytes: Uint8Array) => Promise.all([...digests.values()].map((digest) => digest.write(bytes))),
    abort: (reason: unknown) => Promise.all([...digests.values()].map((digest) => digest.abort(reason))),
    async results(): Promise<Map<DigestName, Uint8Array>> {
      const results = new Map<DigestName, Uint8Array>();
      for (const [name, digest] of digests) results.set(name, await digest.bytes());
      return results;
    },
  };
}

/** A source whose bytes the digests see. */
function watched(source: ByteSource, digests: ReturnType<typeof createDigests>): ByteSource {
  const take = async (limit: number) => {
    const bytes = await source.take(limit);
    if (bytes !== null) await digests.write(bytes);
    return bytes;
  };
  return {
    take,
    async fill(target) {
      const filled = await source.fill(target);
      await digests.write(target.subarray(0, filled));
      return filled;
    },
    async cancel(reason) {
      await digests.abort(reason);
      await source.cancel(reason);
    },
  };
}

function hexOf(results: Map<DigestName, Uint8Array>, name: DigestName): string {
  return bytesToHex(results.get(name) ?? new Uint8Array());
}
