import { BGZF_EOF } from '../../genomics/bgzf.ts';
import { type Chunk, joinNearest, knownBlocks } from '../../genomics/bin-index.ts';
import { CRAM_EOF_BYTES } from '../../genomics/cram.ts';
import { type CutChunk, cutChunk } from '../../genomics/cut-chunk.ts';
import type { Format, GenomicHeader } from '../../genomics/header.ts';
import type { FileRange, RangedFile } from '../../genomics/ranged-file.ts';
import { chunksFor, containersFor, type Region, unknownRegion } from '../../genomics/regions.ts';
import { MAX_PART_BYTES, splitRanges } from '../../genomics/split.ts';
import { type CutCache, type GenomeIndex, headerInTurn } from './genome-files.ts';
import { HtsgetError } from './htsget-error.ts';
import type { HtsgetQuery } from './htsget-query.ts';

/** One part of the answer: a range of the file, or bytes that stand in the ticket. */
export type TicketPart = { range: FileRange } | { bytes: Uint8Array };

/** The parts of a complete file, those of its header apart. */
export interface TicketParts {
  header: TicketPart[];
  body: TicketPart[];
}

/** Each chunk has two blocks in the ticket, of some 20 KB. */
const MAX_CHUNKS = 64;

/**
 * The parts that make a complete file of the records that were asked for; header and body for the whole file are one part.
 * @param load reads the file's index; null without one
 * @throws HtsgetError NotFound for an unknown reference; BadGenomicFile
 */
export async function ticketParts(
  file: RangedFile,
  format: Format,
  load: () => Promise<GenomeIndex> | null,
  { headerOnly, regions }: HtsgetQuery,
): Promise<TicketParts> {
  if (headerOnly) {
    const header = (await load())?.header ?? (await headerInTurn(file, format));
    return { header: [...headerParts(header), endPart(file, format)], body: [] };
  }
  if (regions === null) {
    const index = file.size > MAX_PART_BYTES ? await load() : null;
    return { header: [], body: await whole(file, [{ start: 0, end: file.size }], index, format) };
  }
  const index = await load();
  if (index === null) throw new HtsgetError('NotFound', 'no index lies beside this file');
  const source = { ...index, file };
  const unknown = unknownRegion(source, regions);
  if (unknown !== undefined)
    throw new HtsgetError('NotFound', `the file has no reference ${unknown.reference.slice(0, 100)}`);
  const body = await records(file, index, regions);
  return { header: headerParts(index.header), body: [...body, endPart(file, format)] };
}

function headerParts({ clean, tail }: GenomicHeader): TicketPart[] {
  const parts: TicketPart[] = clean > 0 ? [{ range: { start: 0, end: clean } }] : [];
  return tail === null ? parts : [...parts, { bytes: tail }];
}

/** The end marker; a CRAM file's own, as it depends on the version. */
function endPart({ size }: RangedFile, format: Format): TicketPart {
  return format === 'CRAM' ? { range: { start: size - CRAM_EOF_BYTES, end: size } } : { bytes: BGZF_EOF };
}

async function records(file: RangedFile, index: GenomeIndex, regions: readonly Region[]): Promise<TicketPart[]> {
  if (!('blockStarts' in index)) return whole(file, containersFor({ ...index, file }, regions), index, index.format);
  const chunks = joinNearest(await chunksFor({ ...index, file }, regions), MAX_CHUNKS);
  const parts: TicketPart[] = [];
  for (const chunk of chunks) {
    const { head, middle, tail } = await cutOf(file, chunk, index.cuts);
    if (head !== null) parts.push({ bytes: head });
    if (middle.end > middle.start) parts.push(...(await whole(file, [middle], index, index.format)));
    if (tail !== null) parts.push({ bytes: tail });
  }
  return parts;
}

/** What was cut lately needs no read of the file. */
async function cutOf(file: RangedFile, chunk: Chunk, cuts: CutCache): Promise<CutChunk> {
  const key = JSON.stringify(chunk);
  const found = cuts.get(key);
  if (found !== undefined) return found;
  const cut = await cutChunk(file, chunk);
  cuts.set(key, cut);
  return cut;
}

/** Ranges of the file as parts that are not too large. */
async function whole(
  file: RangedFile,
  ranges: FileRange[],
  source: GenomeIndex | null,
  format: Format,
): Promise<TicketPart[]> {
  const isLarge = ranges.some(({ start, end }) => end - start > MAX_PART_BYTES);
  const starts = isLarge && source !== null ? await startsOf(source, file.size) : [];
  const parts = await splitRanges(file, ranges, starts, format !== 'CRAM');
  return parts.map((range) => ({ range }));
}

async function startsOf(source: GenomeIndex, size: number): Promise<ArrayLike<number>> {
  if (!('blockStarts' in source)) return source.index.crai.containers;
  return source.blockStarts ?? knownBlocks(source.index, size);
}
