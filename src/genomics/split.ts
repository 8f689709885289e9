import { blockSizeAt, MAX_BLOCK_BYTES } from './bgzf.ts';
import { type FileRange, type RangedFile, readUpTo } from './ranged-file.ts';

/** Bytes of one part of a ticket at most. */
export const MAX_PART_BYTES = 512 * 1024 * 1024;

/**
 * Cuts ranges into parts of at most 512 MiB, between blocks.
 * @param starts where blocks or containers begin, as far as known, ascending
 */
export async function splitRanges(
  file: RangedFile,
  ranges: readonly FileRange[],
  starts: ArrayLike<number>,
  isBgzf: boolean,
): Promise<FileRange[]> {
  const parts: FileRange[] = [];
  for (const { start, end } of ranges) {
    let at = start;
    while (end - at > MAX_PART_BYTES) {
      const known = lastUpTo(starts, at + MAX_PART_BYTES);
      const cut =
        known > at + MAX_PART_BYTES / 2 ? known : isBgzf ? await blockBefore(file, at + MAX_PART_BYTES) : null;
      if (cut === null || cut <= at) break;
      parts.push({ start: at, end: cut });
      at = cut;
    }
    parts.push({ start: at, end });
  }
  return parts;
}

/** The last of ascending numbers that is not greater; 0 without one. */
function lastUpTo(numbers: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return numbers[low - 1] ?? 0;
}

/** Where the first BGZF block in the 128 KiB before `limit` begins: a header whose size leads to another one. */
async function blockBefore(file: RangedFile, limit: number): Promise<number | null> {
  const from = Math.max(0, limit - 2 * MAX_BLOCK_BYTES);
  const bytes = await readUpTo(file, from, 4 * MAX_BLOCK_BYTES);
  for (let at = 0; at < 2 * MAX_BLOCK_BYTES; at++) {
    const size = blockSizeAt(bytes, at);
    if (size !== null && (blockSizeAt(bytes, at + size) !== null || from + at + size === file.size)) return from + at;
  }
  return null;
}
