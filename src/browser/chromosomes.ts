import { beginningOf } from './bgzf.ts';

/** A chromosome and how long it is, which igv.js wants to know where there is no reference. */
export type Chromosome = [name: string, length: number];

const BAM_MAGIC = 0x014d4142;
/** Beyond the last region that was seen. */
const MARGIN = 1000;

/** From a BAM's header, a VCF's header, or where the regions of a text file lie. */
export async function chromosomesOf(url: string, name: string): Promise<Chromosome[]> {
  const bytes = await beginningOf(url);
  if (/\.bam$/i.test(name)) return ofBam(bytes);
  const text = new TextDecoder().decode(bytes);
  return ofContigs(text) ?? ofRegions(text, name);
}

/** @throws Error for what is no BAM */
export function ofBam(bytes: Uint8Array): Chromosome[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(0, true) !== BAM_MAGIC) throw new Error('this is no BAM file');
  let at = 8 + view.getUint32(4, true);
  const count = view.getUint32(at, true);
  at += 4;
  const found: Chromosome[] = [];
  for (let i = 0; i < count && at + 4 <= bytes.length; i++) {
    const length = view.getUint32(at, true);
    const end = at + 4 + length;
    if (end + 4 > bytes.length) break;
    found.push([new TextDecoder().decode(bytes.subarray(at + 4, end - 1)), view.getUint32(end, true)]);
    at = end + 4;
  }
  return found;
}

function ofContigs(text: string): Chromosome[] | null {
  const found = [...text.matchAll(/^##contig=<(.*)>/gm)].flatMap(([, fields = '']): Chromosome[] => {
    const id = /\bID=([^,>]+)/.exec(fields)?.[1];
    const length = Number(/\blength=(\d+)/.exec(fields)?.[1]);
    return id === undefined || !(length > 0) ? [] : [[id, length]];
  });
  return found.length > 0 ? found : null;
}

/** The columns of a position's end: BED's third, GFF's and GTF's fifth, VCF's second. */
function ofRegions(text: string, name: string): Chromosome[] {
  const column = /\.(gff3?|gtf)/i.test(name) ? 4 : /\.vcf/i.test(name) ? 1 : 2;
  const ends = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#') || line.startsWith('track') || line.startsWith('browser')) continue;
    const fields = line.split('\t');
    const [chromosome = ''] = fields;
    const end = Number(fields[column]);
    if (chromosome !== '' && end > 0) ends.set(chromosome, Math.max(end + MARGIN, ends.get(chromosome) ?? 0));
  }
  return [...ends];
}
