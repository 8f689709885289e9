import { md5 } from '@noble/hashes/legacy.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { type FileTree, fileSegments, nodeSize } from './file-tree.ts';

const known = new WeakMap<FileTree, Map<number, string>>();
/** Enough for the files of one genome browser session; a directory of more is not worth its memory. */
const MAX_KNOWN = 1000;

const HASH_BYTES = 16;
/** What a segment adds to the digest: the block's hash, offset and length. */
const SEGMENT_BYTES = HASH_BYTES + 8 + 8;
const SEGMENTS_AT_ONCE = 128;

/**
 * A file's strong validator: a digest of which bytes of which blocks it is. The same content cut up the same way has
 * the same ETag at every address, for every token, for ever.
 */
export function fileEtag(tree: FileTree, file: number): string {
  const etags = known.get(tree) ?? new Map<number, string>();
  known.set(tree, etags);
  const found = etags.get(file);
  if (found !== undefined) return found;
  const digest = new EtagDigest();
  for (const { block, offset, length } of fileSegments(tree, file, { offset: 0, length: nodeSize(tree, file) })) {
    digest.add(tree.hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES), offset, length);
  }
  const etag = digest.etag();
  if (etags.size < MAX_KNOWN) etags.set(file, etag);
  return etag;
}

/** The ETag that a file of these ranges will have. */
export function etagOfRanges(ranges: readonly { locator: string; offset: number; length: number }[]): string {
  const digest = new EtagDigest();
  for (const { locator, offset, length } of ranges) {
    if (length > 0) digest.add(hexToBytes(locator.slice(0, 2 * HASH_BYTES)), offset, length);
  }
  return digest.etag();
}

/** Neighbouring ranges of one block count as one: how a manifest writes them down makes no difference. */
class EtagDigest {
  readonly #digest = md5.create();
  readonly #batch = new Uint8Array(SEGMENTS_AT_ONCE * SEGMENT_BYTES);
  readonly #view = new DataView(this.#batch.buffer);
  #filled = 0;
  #hash: Uint8Array | null = null;
  #offset = 0;
  #length = 0;

  add(hash: Uint8Array, offset: number, length: number): void {
    if (this.#hash !== null && offset === this.#offset + this.#length && isSame(this.#hash, hash)) {
      this.#length += length;
      return;
    }
    this.#flush();
    this.#hash = hash;
    this.#offset = offset;
    this.#length = length;
  }

  etag(): string {
    this.#flush();
    this.#digest.update(this.#batch.subarray(0, this.#filled));
    return `"${bytesToHex(this.#digest.digest())}"`;
  }

  #flush(): void {
    if (this.#hash === null) return;
    this.#batch.set(this.#hash, this.#filled);
    this.#view.setFloat64(this.#filled + HASH_BYTES, this.#offset);
    this.#view.setFloat64(this.#filled + HASH_BYTES + 8, this.#length);
    this.#filled += SEGMENT_BYTES;
    if (this.#filled < this.#batch.byteLength) return;
    this.#digest.update(this.#batch);
    this.#filled = 0;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
