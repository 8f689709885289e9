import { createBoundedMap } from '../keep/bounded-map.ts';
import { KeepError } from '../keep/errors.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import { type Chunks, chunksOf } from '../streams/chunks.ts';

/** Small, because a range of one byte reads and hashes this much. */
export const PROOF_CHUNK_BYTES = 64 * 1024;
const DIGEST_BYTES = 32;

/**
 * SHA-256 of each 64 KiB of blocks that were hashed whole and found right: with them a range is checked by itself, and
 * a block is hashed once, however many ranges of it are read. 32 KiB for a block of 64 MiB.
 */
const proofs = createBoundedMap<Uint8Array>({
  maxEntries: 1000,
  maxBytes: 4 * 1024 * 1024,
  sizeOf: (digests) => digests.byteLength,
});

interface SizedBlock {
  hash: string;
  size: number;
}

const keyOf = ({ hash, size }: SizedBlock) => `${hash}+${size}`;

export function proofOf(block: SizedBlock): Uint8Array | null {
  return proofs.get(keyOf(block)) ?? null;
}

/** Takes the bytes of a whole block as they are hashed; `keep` them once the block's own hash is right. */
export function createProver(block: SizedBlock) {
  const digests = new Uint8Array(Math.ceil(block.size / PROOF_CHUNK_BYTES) * DIGEST_BYTES);
  const carry = new Uint8Array(PROOF_CHUNK_BYTES);
  let carried = 0;
  let count = 0;
  let complete: () => void = () => undefined;
  const completed = new Promise<void>((resolve) => {
    complete = resolve;
  });
  const add = async (bytes: Uint8Array) => {
    digests.set(await sha256(bytes), count++ * DIGEST_BYTES);
  };
  const writable = new WritableStream<Uint8Array>({
    async write(chunk) {
      for (let at = 0; at < chunk.byteLength; ) {
        const part = chunk.subarray(at, at + PROOF_CHUNK_BYTES - carried);
        at += part.byteLength;
        if (carried === 0 && part.byteLength === PROOF_CHUNK_BYTES) {
          await add(part);
          continue;
        }
        carry.set(part, carried);
        carried += part.byteLength;
        if (carried < PROOF_CHUNK_BYTES) continue;
        await add(carry);
        carried = 0;
      }
    },
    async close() {
      if (carried > 0) await add(carry.subarray(0, carried));
      complete();
    },
  });
  return {
    writable,
    /** Resolves once the last bytes are in, which may be after the block was found right. */
    async keep(): Promise<Uint8Array> {
      await completed;
      proofs.set(keyOf(block), digests);
      return digests;
    },
  };
}

/** The range of the block that has to be read so that `range` can be checked. */
export function provableRange({ offset, length }: ByteRange, size: number): ByteRange {
  const from = Math.floor(offset / PROOF_CHUNK_BYTES) * PROOF_CHUNK_BYTES;
  const until = Math.min(size, Math.ceil((offset + length) / PROOF_CHUNK_BYTES) * PROOF_CHUNK_BYTES);
  return { offset: from, length: until - from };
}

/**
 * The chunks of `range` from a body that is its provable range, each checked before it is given out.
 * @throws KeepError corrupt
 */
export function provenChunks(body: ReadableStream<Uint8Array>, proof: Uint8Array, range: ByteRange): Chunks {
  const source = chunksOf(body);
  const end = range.offset + range.length;
  let position = Math.floor(range.offset / PROOF_CHUNK_BYTES) * PROOF_CHUNK_BYTES;
  return {
    async next() {
      if (position >= end) return null;
      const chunk = await source.next(undefined, PROOF_CHUNK_BYTES);
      const index = position / PROOF_CHUNK_BYTES;
      const expected = proof.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
      if (chunk === null || !isSame(await sha256(chunk), expected)) {
        await source.cancel('corrupt');
        throw new KeepError('corrupt');
      }
      const start = position;
      position += PROOF_CHUNK_BYTES;
      return chunk.subarray(Math.max(0, range.offset - start), Math.min(chunk.byteLength, end - start));
    },
    cancel: (reason) => source.cancel(reason),
  };
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
