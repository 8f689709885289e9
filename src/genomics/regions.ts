import { blockEnd, blockSizeAt, type VirtualOffset } from './bgzf.ts';
import { type BinIndex, chunksOf, type Interval, knownBlocks } from './bin-index.ts';
import { CRAM_EOF_BYTES, type Crai, containersOf } from './cram.ts';
import type { Format, GenomicHeader } from './header.ts';
import { type FileRange, joinRanges, type RangedFile, readUpTo } from './ranged-file.ts';

/** Part of a reference; `*` stands for reads without a place. Bases count from 0, `end` is not included. */
export interface Region extends Interval {
  reference: string;
}

/** A file with its header and what finds records in it. */
export interface IndexedFile {
  file: RangedFile;
  format: Format;
  header: GenomicHeader;
  index: { kind: 'crai'; crai: Crai } | BinIndex;
  /** Where its BGZF blocks begin, ascending, from a .gzi beside the file; null without one. */
  blockStarts: Float64Array | null;
}

export const UNPLACED = '*';
/** Ends of chunks whose block is read to know where it ends; beyond that the next block that the index knows counts. */
const MAX_END_READS = 32;
const EOF_BYTES = 28;

/**
 * Bytes with every record that overlaps one of the regions: whole blocks or containers, ascending and apart. An unknown
 * reference has none: see `knowsReference`.
 * @throws BadGenomicFile when the index is not of this file
 */
export async function rangesOf(source: IndexedFile, regions: readonly Region[]): Promise<FileRange[]> {
  const { file, header, index } = source;
  const ranges: FileRange[] = [];
  if (index.kind === 'crai') {
    const dataEnd = file.size - CRAM_EOF_BYTES;
    for (const { reference, start, end } of regions) {
      const number = reference === UNPLACED ? -1 : header.references.indexOf(reference);
      if (number >= 0 || reference === UNPLACED)
        ranges.push(...containersOf(index.crai, number, { start, end }, dataEnd));
    }
    return joinRanges(ranges);
  }
  const ends = endFinder(source, index);
  for (const { reference, ...interval } of regions) {
    if (reference === UNPLACED) {
      ranges.push({ start: Math.max(index.end.block, header.clean), end: file.size - (await eofBytes(file)) });
      continue;
    }
    const number = (index.names ?? header.references).indexOf(reference);
    for (const { start, end } of chunksOf(index, number, interval))
      ranges.push({ start: start.block, end: await ends(end) });
  }
  return joinRanges(ranges);
}

export function knowsReference({ header, index }: IndexedFile, reference: string): boolean {
  const named = index.kind === 'crai' ? null : index.names;
  return header.references.includes(reference) || (named?.includes(reference) ?? false);
}

/** Byte where the data of a file ends and its last, empty block begins, if it has one. */
async function eofBytes(file: RangedFile): Promise<number> {
  if (file.size < EOF_BYTES) return 0;
  const last = await readUpTo(file, file.size - EOF_BYTES, EOF_BYTES);
  return blockSizeAt(last, 0) === EOF_BYTES ? EOF_BYTES : 0;
}

/** Finds the byte behind the block with a chunk's last record. */
function endFinder({ file, blockStarts }: IndexedFile, index: BinIndex): (end: VirtualOffset) => Promise<number> {
  const known = new Map<number, number>();
  let blocks: number[] | null = null;
  return async ({ block, within }) => {
    if (within === 0) return block;
    const found = known.get(block);
    if (found !== undefined) return found;
    if (blockStarts === null && known.size >= MAX_END_READS) {
      blocks ??= knownBlocks(index);
      return firstAbove(blocks, block) ?? file.size;
    }
    const end = (blockStarts && firstAbove(blockStarts, block)) ?? (await blockEnd(file, block));
    known.set(block, end);
    return end;
  };
}

/** The first of ascending numbers that is greater. */
export function firstAbove(numbers: ArrayLike<number>, value: number): number | undefined {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return numbers[low];
}

/** The blocks of a .gzi file: pairs of a place in the file and in its content; the first block is not in it. */
export function parseGzi(bytes: Uint8Array): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Math.min(Number(view.getBigUint64(0, true)), Math.floor((bytes.byteLength - 8) / 16));
  return Float64Array.from({ length: count + 1 }, (_, i) =>
    i === 0 ? 0 : Number(view.getBigUint64(8 + (i - 1) * 16, true)),
  );
}
