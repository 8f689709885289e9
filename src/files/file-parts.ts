import { blockHash, blockHints, type FileTree, fileSegments } from '../collections/file-tree.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import type { LazyPart, Pipeable, SegmentSource } from '../streams/part.ts';
import type { WantedBlock } from './dependencies.ts';

/** Opens a range of a block for the request at hand. */
export type OpenBlock = (block: WantedBlock, range: ByteRange, signal: AbortSignal) => Promise<Pipeable>;

/** The blocks of a tree, as parts of an answer are cut from them. */
export function blockSource(tree: FileTree, open: OpenBlock): SegmentSource {
  const wanted = (block: number): WantedBlock => ({
    number: block,
    hash: blockHash(tree, block),
    size: (tree.blockStarts[block + 1] ?? 0) - (tree.blockStarts[block] ?? 0),
    hints: blockHints(tree, block),
  });
  return {
    keyOf(block) {
      const { hash, size, hints } = wanted(block);
      return `${hash}+${size}${hints}`;
    },
    open: (block, range, signal) => open(wanted(block), range, signal),
  };
}

/** The parts that a range of a file is made of: one for each range of a block. */
export function* fileParts(tree: FileTree, file: number, range: ByteRange, open: OpenBlock): Generator<LazyPart> {
  const source = blockSource(tree, open);
  for (const { block, offset, length } of fileSegments(tree, file, range)) {
    yield {
      length,
      open: (signal) => source.open(block, { offset, length }, signal),
      segment: { source, block, offset, length },
    };
  }
}
