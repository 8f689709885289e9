import { md5 } from '@noble/hashes/legacy.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import {
  type BlockSegment,
  blockHash,
  blockHints,
  type FileTree,
  fileSegments,
  nodeSize,
} from '../collections/file-tree.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import type { LazyPart, Pipeable } from '../streams/part.ts';
import type { WantedBlock } from './needs.ts';

/** Opens a stretch of a block for the request at hand. */
export type OpenBlock = (block: WantedBlock, range: ByteRange, signal: AbortSignal) => Promise<Pipeable>;

/** The parts that a stretch of a file is made of: one for each stretch of a block. */
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
  const wanted = { hash: blockHash(tree, block), size: blockSize, hints: blockHints(tree, block) };
  return open(wanted, { offset, length }, signal);
}

const known = new WeakMap<FileTree, Map<number, string>>();
/** Enough for the files of one genome browser session; a directory of more is not worth its memory. */
const MAX_KNOWN = 1000;

/**
 * A file's strong validator: a digest of which bytes of which blocks it is. The same content cut up the same way has
 * the same ETag at every address, for every token, for ever.
 */
export function fileEtag(tree: FileTree, file: number): string {
  const etags = known.get(tree) ?? new Map<number, string>();
  known.set(tree, etags);
  const found = etags.get(file);
  if (found !== undefined) return found;
  const digest = md5.create();
  for (const segment of fileSegments(tree, file, { offset: 0, length: nodeSize(tree, file) })) {
    digest.update(new TextEncoder().encode(`${blockHash(tree, segment.block)} ${segment.offset} ${segment.length}\n`));
  }
  const etag = `"${bytesToHex(digest.digest())}"`;
  if (etags.size < MAX_KNOWN) etags.set(file, etag);
  return etag;
}
