import { parseBinIndex } from '../genomics/bin-index.ts';
import { parseCrai } from '../genomics/cram.ts';
import { readHeader } from '../genomics/header.ts';
import { beginningOf, fetchBytes } from './beginning.ts';
import { bigChromosomes } from './big-chromosomes.ts';
import { type Chromosome, contigsOf, MARGIN, ofRegions, ofWig, type Places } from './region-text.ts';

export interface GenomeFile {
  name: string;
  url: string;
  size: number;
  /** Addresses; null where there is none. */
  index: string | null;
  fasta: string | null;
}

const BAM_MAGIC = 0x014d4142;
/** tabix: bases for each entry of the linear index. */
const WINDOW = 16_384;
const FIRST_BYTES = 256 * 1024;
const MAX_INDEX_BYTES = 64 * 1024 * 1024;
const UNPLACED = -1;

/** @throws Error in words for a file that is not what its name says */
export async function placesOf(file: GenomeFile): Promise<Places> {
  const { fasta } = file;
  const found = await placesInFile(file);
  if (fasta === null) return found;
  const text = new TextDecoder().decode(await beginningOf(`${fasta}.fai`, MAX_INDEX_BYTES));
  const chromosomes = chromosomesOfFai(text);
  const isThere = chromosomes.some(([name]) => name === found.first?.chromosome);
  return { chromosomes, first: isThere ? found.first : null };
}

async function placesInFile({ name, url, size, index }: GenomeFile): Promise<Places> {
  if (/\.(bw|bigwig|bb|bigbed)$/i.test(name))
    return { chromosomes: await bigChromosomes((start, length) => fetchBytes(url, start, length)), first: null };
  if (/\.cram$/i.test(name)) return ofCram(url, size, index);
  if (/\.bam$/i.test(name)) return ofWholeHeader(url);
  // Without an index the file is loaded whole.
  const bytes = await (index === null ? beginningOf(url, MAX_INDEX_BYTES) : beginningOf(url));
  const text = new TextDecoder().decode(bytes);
  const seen = /\.wig(\.gz)?$/i.test(name) ? ofWig(text) : ofRegions(text, name);
  const contigs = contigsOf(text);
  if (contigs !== null) return { ...seen, chromosomes: contigs };
  return index === null ? seen : { ...seen, chromosomes: merged(await ofTabix(index), seen.chromosomes) };
}

export function chromosomesOfFai(text: string): Chromosome[] {
  return text.split('\n').flatMap((line): Chromosome[] => {
    const [name = '', length] = line.split('\t');
    return name === '' ? [] : [[name, Number(length)]];
  });
}

/** More is fetched for headers of very many contigs. */
async function ofWholeHeader(url: string): Promise<Places> {
  for (let length = FIRST_BYTES; ; length *= 8) {
    const places = ofBam(await beginningOf(url, length));
    if (places.first !== null || length >= MAX_INDEX_BYTES) return places;
  }
}

/** @throws Error for what is no BAM */
export function ofBam(bytes: Uint8Array): Places {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(0, true) !== BAM_MAGIC) throw new Error('this is no BAM file');
  let at = 8 + view.getUint32(4, true);
  const count = view.getUint32(at, true);
  at += 4;
  const chromosomes: Chromosome[] = [];
  for (let i = 0; i < count && at + 4 <= bytes.length; i++) {
    const length = view.getUint32(at, true);
    const end = at + 4 + length;
    if (end + 4 > bytes.length) break;
    chromosomes.push([new TextDecoder().decode(bytes.subarray(at + 4, end - 1)), view.getUint32(end, true)]);
    at = end + 4;
  }
  const isRead = chromosomes.length === count && at + 12 <= bytes.length;
  const chromosome = isRead ? chromosomes[view.getInt32(at + 4, true)]?.[0] : undefined;
  return {
    chromosomes,
    first: chromosome === undefined ? null : { chromosome, start: view.getInt32(at + 8, true) + 1 },
  };
}

/** A CRAM's chromosomes are those of its reference. */
async function ofCram(url: string, size: number, index: string | null): Promise<Places> {
  const { references } = await readHeader({ size, read: (start, length) => fetchBytes(url, start, length) }, 'CRAM');
  const crai = await parseCrai(index === null ? new Uint8Array(0) : await beginningOf(index, MAX_INDEX_BYTES));
  const entry = crai.references.findIndex((reference) => reference > UNPLACED);
  const chromosome = references[crai.references[entry] ?? UNPLACED];
  return {
    chromosomes: [],
    first: chromosome === undefined ? null : { chromosome, start: (crai.starts[entry] ?? 0) + 1 },
  };
}

/** Names, and about how long each is: how many windows the index has for it. */
async function ofTabix(url: string): Promise<Chromosome[]> {
  const index = parseBinIndex(await beginningOf(url, MAX_INDEX_BYTES));
  const { bytes, names, references, kind } = index;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (names ?? []).map((name, i): Chromosome => {
    // TBI: the linear index ends where the next reference begins; the next one's bins are behind it.
    const next = references[i + 1] ?? bytes.length;
    const windows = kind === 'tbi' ? linearWindows(view, references[i] ?? next) : 0;
    return [name, Math.max(windows * WINDOW, MARGIN)];
  });
}

function linearWindows(view: DataView, reference: number): number {
  let at = reference + 4;
  for (let bins = view.getInt32(reference, true); bins > 0; bins--) at += 8 + view.getInt32(at + 4, true) * 16;
  return view.getInt32(at, true);
}

function merged(named: Chromosome[], seen: Chromosome[]): Chromosome[] {
  const lengths = new Map(named);
  for (const [name, length] of seen) lengths.set(name, Math.max(length, lengths.get(name) ?? 0));
  return [...lengths];
}
