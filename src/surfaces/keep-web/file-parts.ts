import { type BlockSegment, blockHash, blockHints, type FileTree, fileSegments } from '../../collections/file-tree.ts';
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
