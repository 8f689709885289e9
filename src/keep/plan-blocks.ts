import { MAX_BLOCK_BYTES } from './limits.ts';

/** Bytes of a file that go into one block. A file's parts begin at multiples of the block size. */
export interface Part {
  /** Index in the list of files. */
  file: number;
  offset: number;
  length: number;
}

/** What goes into one block, in this order. */
export interface PlannedBlock {
  parts: Part[];
  size: number;
}

/**
 * Cuts files at the block size and packs what is left over, small files among them, into blocks in the order of the
 * tree. The same files always give the same blocks, so an upload can be resumed.
 */
export function* planBlocks(files: readonly { size: number }[]): Generator<PlannedBlock, void, undefined> {
  let pack: PlannedBlock = { parts: [], size: 0 };
  for (const [file, { size }] of files.entries()) {
    let offset = 0;
    for (; size - offset >= MAX_BLOCK_BYTES; offset += MAX_BLOCK_BYTES)
      yield { parts: [{ file, offset, length: MAX_BLOCK_BYTES }], size: MAX_BLOCK_BYTES };
    const length = size - offset;
    if (length === 0) continue;
    if (pack.size + length > MAX_BLOCK_BYTES) {
      yield pack;
      pack = { parts: [], size: 0 };
    }
    pack.parts.push({ file, offset, length });
    pack.size += length;
  }
  if (pack.size > 0) yield pack;
}

/** A file's number of parts. */
export function partCount(size: number): number {
  return Math.ceil(size / MAX_BLOCK_BYTES);
}

/** Which of its file's parts this is, from 0. */
export function partNumber({ offset }: Part): number {
  return offset / MAX_BLOCK_BYTES;
}
