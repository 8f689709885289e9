import { BGZF_EOF } from '../../genomics/bgzf.ts';
import { knownBlocks } from '../../genomics/bin-index.ts';
import { CRAM_EOF_BYTES } from '../../genomics/cram.ts';
import { type Format, type GenomicHeader, readHeader } from '../../genomics/header.ts';
import { type FileRange, joinRanges, type RangedFile } from '../../genomics/ranged-file.ts';
import { knowsReference, rangesOf, UNPLACED } from '../../genomics/regions.ts';
import { MAX_PART_BYTES, splitRanges } from '../../genomics/split.ts';
import type { GenomeIndex } from './genome-files.ts';
import { HtsgetError } from './htsget-error.ts';
import type { HtsgetQuery } from './htsget-query.ts';

/** One piece of the answer: a range of the file, or bytes that stand in the ticket. */
export type TicketPart = { class: 'header' | 'body' | null } & (
  | { range: FileRange; bytes: null }
  | { range: null; bytes: Uint8Array }
);

/**
 * The parts that make a complete file of the records that were asked for.
 * @param load reads the file's index; null without one
 * @throws HtsgetError NotFound for an unknown reference; BadGenomicFile
 */
export async function ticketParts(
  file: RangedFile,
  format: Format,
  load: () => Promise<GenomeIndex> | null,
  { headerOnly, regions }: HtsgetQuery,
): Promise<TicketPart[]> {
  if (headerOnly) {
    const header = (await load())?.header ?? (await readHeader(file, format));
    return [...headerParts(header), endPart(file, format, 'header')];
  }
  if (regions === null) {
    const index = file.size > MAX_PART_BYTES ? await load() : null;
    return cut(file, [{ start: 0, end: file.size }], index, format);
  }
  const index = await load();
  if (index === null) throw new HtsgetError('NotFound', 'no index lies beside this file');
  const source = { ...index, file };
  for (const { reference } of regions) {
    if (reference !== UNPLACED && !knowsReference(source, reference))
      throw new HtsgetError('NotFound', `the file has no reference ${reference.slice(0, 100)}`);
  }
  const { header } = index;
  const body = await rangesOf(source, regions);
  const first = body[0]?.start ?? Number.POSITIVE_INFINITY;
  if (header.tail === null && first >= header.end) {
    // Header and records are apart: clients may fetch them so.
    const parts = await cut(file, body, index, format);
    return [
      ...headerParts(header),
      ...parts.map((part): TicketPart => ({ ...part, class: 'body' })),
      endPart(file, format, 'body'),
    ];
  }
  const ranges = joinRanges([{ start: 0, end: header.end }, ...body]);
  return [...(await cut(file, ranges, index, format)), endPart(file, format, null)];
}

function headerParts({ clean, tail }: GenomicHeader): TicketPart[] {
  const parts: TicketPart[] = clean > 0 ? [{ range: { start: 0, end: clean }, bytes: null, class: 'header' }] : [];
  return tail === null ? parts : [...parts, { range: null, bytes: tail, class: 'header' }];
}

/** The end marker; a CRAM file's own, as it depends on the version. */
function endPart({ size }: RangedFile, format: Format, part: TicketPart['class']): TicketPart {
  if (format === 'CRAM') return { range: { start: size - CRAM_EOF_BYTES, end: size }, bytes: null, class: part };
  return { range: null, bytes: BGZF_EOF, class: part };
}

async function cut(
  file: RangedFile,
  ranges: FileRange[],
  source: GenomeIndex | null,
  format: Format,
): Promise<TicketPart[]> {
  const isLarge = ranges.some(({ start, end }) => end - start > MAX_PART_BYTES);
  const starts = isLarge && source !== null ? startsOf(source) : [];
  const parts = await splitRanges(file, ranges, starts, format !== 'CRAM');
  return parts.map((range) => ({ range, bytes: null, class: null }));
}

function startsOf({ index, blockStarts }: GenomeIndex): ArrayLike<number> {
  return blockStarts ?? (index.kind === 'crai' ? index.crai.containers : knownBlocks(index));
}
