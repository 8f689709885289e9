/** Where the regions of text files lie: VCF, BED, GFF, SEG, wiggle. */

/** A chromosome and how long it is, which igv.js wants to know where there is no reference. */
export type Chromosome = [name: string, length: number];

export interface Place {
  chromosome: string;
  /** 1-based. */
  start: number;
}

export interface Places {
  chromosomes: Chromosome[];
  /** Where the data begins; null where that is not known. */
  first: Place | null;
}

/** Bases beyond the last region that was seen. */
export const MARGIN = 1000;

/** From the header of a VCF; null where it names none with a length. */
export function contigsOf(text: string): Chromosome[] | null {
  const found = [...text.matchAll(/^##contig=<(.*)>/gm)].flatMap(([, fields = '']): Chromosome[] => {
    const id = /\bID=([^,>]+)/.exec(fields)?.[1];
    const length = Number(/\blength=(\d+)/.exec(fields)?.[1]);
    return id === undefined || !(length > 0) ? [] : [[id, length]];
  });
  return found.length > 0 ? found : null;
}

/** Columns, from 0: chromosome, begin, end; `shift` makes the begin 1-based. */
interface Columns {
  chromosome: number;
  begin: number;
  end: number;
  shift: number;
}
const COLUMNS: [RegExp, Columns][] = [
  [/\.(gff3?|gtf)(\.gz)?$/i, { chromosome: 0, begin: 3, end: 4, shift: 0 }],
  [/\.vcf(\.gz)?$/i, { chromosome: 0, begin: 1, end: 1, shift: 0 }],
  [/\.seg(\.gz)?$/i, { chromosome: 1, begin: 2, end: 3, shift: 0 }],
];
const BED: Columns = { chromosome: 0, begin: 1, end: 2, shift: 1 };

export function ofRegions(text: string, name: string): Places {
  const { chromosome, begin, end, shift } = COLUMNS.find(([pattern]) => pattern.test(name))?.[1] ?? BED;
  const ends = new Map<string, number>();
  let first: Place | null = null;
  for (const line of text.split('\n')) {
    if (line === '' || /^(#|track\b|browser\b)/.test(line)) continue;
    const fields = line.includes('\t') ? line.split('\t') : line.split(/\s+/);
    const on = fields[chromosome] ?? '';
    const last = Number(fields[end]);
    if (on === '' || !(last > 0)) continue;
    ends.set(on, Math.max(last + MARGIN, ends.get(on) ?? 0));
    first ??= { chromosome: on, start: Number(fields[begin]) + shift };
  }
  return { chromosomes: [...ends], first };
}

/** `fixedStep` and `variableStep` lines say where the numbers below them are. */
export function ofWig(text: string): Places {
  const ends = new Map<string, number>();
  let first: Place | null = null;
  let on = { chromosome: '', at: 0, step: 0, span: 1 };
  for (const line of text.split('\n')) {
    if (/^(fixed|variable)Step\b/.test(line)) {
      const of = (key: string) => new RegExp(`\\b${key}=(\\S+)`).exec(line)?.[1];
      const step = line.startsWith('fixed') ? Number(of('step') ?? 1) : 0;
      on = { chromosome: of('chrom') ?? '', at: Number(of('start') ?? 1) - step, step, span: Number(of('span') ?? 1) };
    } else if (on.chromosome !== '' && /^[\d.+-]/.test(line)) {
      on.at = on.step > 0 ? on.at + on.step : Number(line.split(/\s/, 1)[0]);
      first ??= { chromosome: on.chromosome, start: on.at };
      ends.set(on.chromosome, Math.max(on.at + on.span + MARGIN, ends.get(on.chromosome) ?? 0));
    }
  }
  return { chromosomes: [...ends], first };
}
