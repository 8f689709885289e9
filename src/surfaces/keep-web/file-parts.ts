import { md5 } from '@noble/hashes/legacy.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import {
  type BlockSegment,
  blockHash,
  blockHints,
  type FileTree,
  fileSegments,
  nodeSize,
} from '../../collections/file-tree.ts';
import type { ByteRange } from '../../streams/byte-range.ts';
import type { LazyPart, Pipeable } from '../../streams/part.ts';
import type { WantedBlock } from './dependencies.ts';

/** Opens a range of a block for the request at hand. */
export type OpenBlock = (block: WantedBlock, range: ByteRange, signal: AbortSignal) => Promise<Pipeable>;

/** The parts that a range of a file is made of: one for each range of a block. */
export function* fileParts(tree: FileTree, file: number, range: ByteRange, open: OpenBlock): Generator<LazyPart> {
  for (const segment of fileSegments(tree, file, range)) {
    yield { length: segment.length, open: (signal) => openSegment(tree, segment, open, signal) };
  }
}

export function openSegment(
  tree: FileTree,
  { block, blockSize, offset, length }: BlockSegment,
  open: OpenBlock,
  signal: AbortSignal,
): Promise<Pipeable> {
  const wanted = { hash: blockHash(tree, block), size: blockSize, hints: blockHints(tree, block), number: block };
  return open(wanted, { offset, length }, signal);
}

const known = new WeakMap<FileTree, Map<number, string>>();
/** Enough for the files of one genome browser session. */
const MAX_KNOWN = 1000;

const HASH_BYTES = 16;
/** What a segment adds to the digest: the block's hash, offset and length. */
const SEGMENT_BYTES = HASH_BYTES + 8 + 8;
const SEGMENTS_AT_ONCE = 128;

/**
 * A file's strong validator: a digest of which bytes of which blocks it is. The same content cut up the same way has
 * the same ETag at every address and for every token.
 */
export function fileEtag(tree: FileTree, file: number): string {
  const etags = known.get(tree) ?? new Map<number, string>();
  known.set(tree, etags);
  const found = etags.get(file);
  if (found !== undefined) return found;
  const digest = md5.create();
  const batch = new Uint8Array(SEGMENTS_AT_ONCE * SEGMENT_BYTES);
  const view = new DataView(batch.buffer);
  let filled = 0;
  for (const { block, offset, length } of fileSegments(tree, file, { offset: 0, length: nodeSize(tree, file) })) {
    batch.set(tree.hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES), filled);
    view.setFloat64(filled + HASH_BYTES, offset);
    view.setFloat64(filled + HASH_BYTES + 8, length);
    filled += SEGMENT_BYTES;
    if (filled < batch.byteLength) continue;
    digest.update(batch);
    filled = 0;
  }
  digest.update(batch.subarray(0, filled));
  const etag = `"${bytesToHex(digest.digest())}"`;
  if (etags.size < MAX_KNOWN) etags.set(file, etag);
  return etag;
}
