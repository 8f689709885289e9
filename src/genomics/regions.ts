import { BGZF_EOF, blockSizeAt } from './bgzf.ts';
import { type BinIndex, type Chunk, chunksOf, joinChunks } from './bin-index.ts';
import { CRAM_EOF_BYTES, type Crai, containersOf } from './cram.ts';
import type { Format, GenomicHeader } from './header.ts';
import { type Interval, joinIntervals } from './intervals.ts';
import { BadGenomicFile, type FileRange, joinRanges, type RangedFile, readUpTo } from './ranged-file.ts';

/** Part of a reference; `*` stands for reads without a place. Bases count from 0, `end` is not included. */
export interface Region extends Interval {
  reference: string;
}

interface Indexed {
  file: RangedFile;
  format: Format;
  header: GenomicHeader;
}

/** A CRAM file and its index. */
export interface IndexedCram extends Indexed {
  index: { kind: 'crai'; crai: Crai };
}

/** A file of BGZF blocks and its index. */
export interface IndexedBgzf extends Indexed {
  index: BinIndex;
  /** Where its BGZF blocks begin, ascending, from a .gzi beside the file; null without one. */
  blockStarts: Float64Array | null;
}

/** A file with its header and what finds records in it. */
export type IndexedFile = IndexedCram | IndexedBgzf;

export const UNPLACED = '*';

/** The first region on a reference that the file does not have; undefined where there is none. */
export function unknownRegion({ header, index }: IndexedFile, regions: readonly Region[]): Region | undefined {
  const named = index.kind === 'crai' ? null : index.names;
  const known = numbersOf(regions, [...new Set([header.references, named ?? []])]);
  return regions.find(({ reference }) => reference !== UNPLACED && !known.has(reference));
}

/** The numbers of the references of regions in the first list that has them. There may be half a million, and many regions. */
function numbersOf(regions: readonly Region[], lists: readonly string[][]): Map<string, number> {
  const asked = new Set(regions.map(({ reference }) => reference));
  const numbers = new Map<string, number>();
  for (const names of lists)
    names.forEach((name, i) => {
      if (asked.has(name) && !numbers.has(name)) numbers.set(name, i);
    });
  return numbers;
}

/**
 * Containers with every record that overlaps one of the regions, ascending and apart. An unknown reference has none: see
 * `unknownRegion`.
 */
export function containersFor({ file, header, index }: IndexedCram, regions: readonly Region[]): FileRange[] {
  const dataEnd = file.size - CRAM_EOF_BYTES;
  const numbers = numbersOf(regions, [header.references]);
  const ranges: FileRange[] = [];
  for (const [reference, intervals] of Map.groupBy(regions, (region) => region.reference)) {
    const number = reference === UNPLACED ? -1 : numbers.get(reference);
    if (number === undefined) continue;
    const wanted = joinIntervals(intervals, Number.MAX_SAFE_INTEGER);
    for (const range of containersOf(index.crai, number, wanted, dataEnd)) ranges.push(range);
  }
  return joinRanges(ranges);
}

/**
 * Chunks with every record that overlaps one of the regions, ascending and apart.
 * @throws BadGenomicFile when the index is not of this file
 */
export async function chunksFor({ file, header, index }: IndexedBgzf, regions: readonly Region[]): Promise<Chunk[]> {
  const numbers = numbersOf(regions, [index.names ?? header.references]);
  const chunks: Chunk[] = [];
  for (const [reference, intervals] of Map.groupBy(regions, (region) => region.reference)) {
    const number = numbers.get(reference);
    if (reference === UNPLACED) chunks.push(await unplaced(file, index));
    else if (number !== undefined) for (const chunk of await chunksOf(index, number, intervals)) chunks.push(chunk);
  }
  if (chunks.some(({ end }) => end.block > file.size))
    throw new BadGenomicFile('the index is not of this file: a place in it is behind the end');
  return joinChunks(chunks);
}

/** What follows the last record that has a place. */
async function unplaced(file: RangedFile, { end }: BinIndex): Promise<Chunk> {
  const last = await readUpTo(file, Math.max(0, file.size - BGZF_EOF.byteLength), BGZF_EOF.byteLength);
  const eof = blockSizeAt(last, 0) === BGZF_EOF.byteLength ? BGZF_EOF.byteLength : 0;
  return { start: end, end: { block: file.size - eof, within: 0 } };
}
