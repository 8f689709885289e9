import { createBoundedMap } from '../keep/bounded-map.ts';
import { KeepError } from '../keep/errors.ts';
import { DIGEST_CHUNK_BYTES } from '../storage/bucket-layout.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import { type Chunks, chunksOf } from '../streams/chunks.ts';

/** Bytes of one SHA-256. */
export const DIGEST_BYTES = 32;

export interface SizedBlock {
  hash: string;
  size: number;
}

/** SHA-256 of each MiB of blocks that were found right: 2 KiB for a block of 64 MiB. With them a range is checked by itself. */
const known = createBoundedMap<Uint8Array>({
  maxEntries: 5000,
  maxBytes: 4 * 1024 * 1024,
  sizeOf: (digests) => digests.byteLength,
});

const keyOf = ({ hash, size }: SizedBlock) => `${hash}+${size}`;

export function knownDigests(block: SizedBlock): Uint8Array | null {
  return known.get(keyOf(block)) ?? null;
}

/** @param digests those of a block whose own hash is right */
export function rememberDigests(block: SizedBlock, digests: Uint8Array): void {
  known.set(keyOf(block), digests);
}

/** Bytes of all digests of a block. */
export function digestsLength(size: number): number {
  return Math.ceil(size / DIGEST_CHUNK_BYTES) * DIGEST_BYTES;
}

/** Takes the bytes of a whole block as they are hashed. They count once the block's own hash is right. */
export function createDigester(block: SizedBlock) {
  const digests = new Uint8Array(digestsLength(block.size));
  const { promise: finished, resolve } = Promise.withResolvers<Uint8Array>();
  let current = new crypto.DigestStream('SHA-256');
  let writer = current.getWriter();
  let filled = 0;
  let count = 0;
  const end = async () => {
    await writer.close();
    digests.set(new Uint8Array(await current.digest), count++ * DIGEST_BYTES);
    filled = 0;
  };
  const writable = new WritableStream<Uint8Array>({
    async write(chunk) {
      for (let at = 0; at < chunk.byteLength; ) {
        if (filled === DIGEST_CHUNK_BYTES) {
          await end();
          current = new crypto.DigestStream('SHA-256');
          writer = current.getWriter();
        }
        const part = chunk.subarray(at, at + DIGEST_CHUNK_BYTES - filled);
        await writer.write(part);
        at += part.byteLength;
        filled += part.byteLength;
      }
    },
    async close() {
      await end();
      resolve(digests);
    },
    async abort(reason) {
      current.digest.catch(() => undefined);
      await writer.abort(reason).catch(() => undefined);
    },
  });
  /** `finished` resolves once the last bytes are in, which may be after the block was found right. */
  return { writable, finished };
}

/** The range of the block that has to be read so that `range` can be checked. */
export function checkableRange({ offset, length }: ByteRange, size: number): ByteRange {
  const from = Math.floor(offset / DIGEST_CHUNK_BYTES) * DIGEST_CHUNK_BYTES;
  const until = Math.min(size, Math.ceil((offset + length) / DIGEST_CHUNK_BYTES) * DIGEST_CHUNK_BYTES);
  return { offset: from, length: until - from };
}

/**
 * The chunks of `range` from a body that is its checkable range, each checked before it is given out.
 * @throws KeepError corrupt
 */
export function checkedChunks(body: ReadableStream<Uint8Array>, digests: Uint8Array, range: ByteRange): Chunks {
  const source = chunksOf(body);
  const end = range.offset + range.length;
  let position = Math.floor(range.offset / DIGEST_CHUNK_BYTES) * DIGEST_CHUNK_BYTES;
  return {
    async next(spent) {
      if (position >= end) return null;
      const chunk = await source.next(spent, DIGEST_CHUNK_BYTES);
      const index = position / DIGEST_CHUNK_BYTES;
      const expected = digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
      if (chunk === null || !isSame(await sha256(chunk), expected)) {
        await source.cancel('corrupt');
        throw new KeepError('corrupt');
      }
      const start = position;
      position += DIGEST_CHUNK_BYTES;
      return chunk.subarray(Math.max(0, range.offset - start), Math.min(chunk.byteLength, end - start));
    },
    cancel: (reason) => source.cancel(reason),
  };
}

/** Memory in which megabytes are checked: to allocate it anew for each range costs a tenth of what hashing does. */
const spare: Uint8Array[] = [];
const MAX_SPARE = 4;

/**
 * The bytes of `range` from a body that is its checkable range, all checked.
 * @throws KeepError corrupt
 */
export async function checkedBytes(
  body: ReadableStream<Uint8Array>,
  digests: Uint8Array,
  range: ByteRange,
): Promise<Uint8Array> {
  const chunks = checkedChunks(body, digests, range);
  const bytes = new Uint8Array(range.length);
  let filled = 0;
  let spent = spare.pop();
  for (let chunk = await chunks.next(spent); chunk !== null; chunk = await chunks.next(spent)) {
    bytes.set(chunk, filled);
    filled += chunk.byteLength;
    spent = chunk;
  }
  if (spent !== undefined && spare.length < MAX_SPARE) spare.push(spent);
  return bytes;
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
