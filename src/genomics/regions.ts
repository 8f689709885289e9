import { BGZF_EOF, blockSizeAt } from './bgzf.ts';
import { type BinIndex, type Chunk, chunksOf, type Interval, joinChunks } from './bin-index.ts';
import { CRAM_EOF_BYTES, type Crai, containersOf } from './cram.ts';
import type { Format, GenomicHeader } from './header.ts';
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

export function knowsReference({ header, index }: IndexedFile, reference: string): boolean {
  const named = index.kind === 'crai' ? null : index.names;
  return header.references.includes(reference) || (named?.includes(reference) ?? false);
}

/**
 * Containers with every record that overlaps one of the regions, ascending and apart. An unknown reference has none: see
 * `knowsReference`.
 */
export function containersFor({ file, header, index }: IndexedCram, regions: readonly Region[]): FileRange[] {
  const dataEnd = file.size - CRAM_EOF_BYTES;
  const ranges = regions.flatMap(({ reference, start, end }) => {
    const number = reference === UNPLACED ? -1 : header.references.indexOf(reference);
    return number < 0 && reference !== UNPLACED ? [] : containersOf(index.crai, number, { start, end }, dataEnd);
  });
  return joinRanges(ranges);
}

/**
 * Chunks with every record that overlaps one of the regions, ascending and apart.
 * @throws BadGenomicFile when the index is not of this file
 */
export async function chunksFor({ file, header, index }: IndexedBgzf, regions: readonly Region[]): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for (const { reference, ...interval } of regions) {
    if (reference === UNPLACED) chunks.push(await unplaced(file, index));
    else chunks.push(...chunksOf(index, (index.names ?? header.references).indexOf(reference), interval));
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
