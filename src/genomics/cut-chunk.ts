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

/**
 * Chunks joined, nearest first, until there are no more than `most`: each has two blocks that stand in the answer.
 * @param chunks ascending and apart
 */
export function joinNearest(chunks: Chunk[], most: number): Chunk[] {
  if (chunks.length <= most) return chunks;
  const gaps = chunks.slice(1).map(({ start }, i) => start.block - (chunks[i]?.end.block ?? 0));
  const widest = gaps.toSorted((a, b) => b - a).slice(0, most - 1);
  const least = widest.at(-1) ?? Number.POSITIVE_INFINITY;
  let kept = widest.filter((gap) => gap === least).length;
  const joined: Chunk[] = [];
  chunks.forEach((chunk, i) => {
    const gap = gaps[i - 1] ?? 0;
    const last = joined.at(-1);
    const isKept = last === undefined || gap > least || (gap === least && kept-- > 0);
    if (isKept) joined.push({ ...chunk });
    else if (last !== undefined) last.end = chunk.end;
  });
  return joined;
}
