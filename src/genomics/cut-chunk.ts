import { blockSizeAt, deflateBlock, inflateBlock, MAX_BLOCK_BYTES } from './bgzf.ts';
import type { Chunk } from './bin-index.ts';
import { BadGenomicFile, type FileRange, type RangedFile, readUpTo } from './ranged-file.ts';

/**
 * The records of one chunk and nothing else. A record may begin in one block and end in the next, so the first and the
 * last block are cut at records and packed again.
 */
export interface CutChunk {
  /** A block with the end of the chunk's first block; null where the chunk begins with a block. */
  head: Uint8Array | null;
  /** Whole blocks between; may be empty. */
  middle: FileRange;
  /** A block with the beginning of the chunk's last block; null where the chunk ends with a block. */
  tail: Uint8Array | null;
}

/** @throws BadGenomicFile when the index is not of this file */
export async function cutChunk(file: RangedFile, { start, end }: Chunk): Promise<CutChunk> {
  const first = start.within === 0 ? null : await blockAt(file, start.block);
  if (first !== null && start.block === end.block)
    return { head: await packed(first.content, start.within, end.within), middle: emptyAt(end.block), tail: null };
  const last = end.within === 0 ? null : await blockAt(file, end.block);
  return {
    head: first === null ? null : await packed(first.content, start.within, first.content.byteLength),
    middle: { start: first?.end ?? start.block, end: end.block },
    tail: last === null ? null : await packed(last.content, 0, end.within),
  };
}

function emptyAt(block: number): FileRange {
  return { start: block, end: block };
}

async function blockAt(file: RangedFile, start: number): Promise<{ content: Uint8Array; end: number }> {
  const bytes = await readUpTo(file, start, MAX_BLOCK_BYTES);
  const size = blockSizeAt(bytes, 0);
  if (size === null) throw new BadGenomicFile(`no BGZF block begins at byte ${start}: the index is not of this file`);
  return { content: await inflateBlock(bytes), end: start + size };
}

/** Null where nothing is left. */
async function packed(content: Uint8Array, from: number, to: number): Promise<Uint8Array | null> {
  if (from > content.byteLength || to > content.byteLength || from > to)
    throw new BadGenomicFile('the index is not of this file: a place in it is behind the end of a block');
  return from === to ? null : deflateBlock(content.subarray(from, to));
}
