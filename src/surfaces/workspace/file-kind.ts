/** How a file can be shown. `genome`, `html` and `pdf` only on the collection's own host: what they hold can run. */
export type FileKind =
  | 'image'
  | 'video'
  | 'audio'
  | 'markdown'
  | 'json'
  | 'table'
  | 'parquet'
  | 'genome'
  | 'html'
  | 'pdf'
  | 'text'
  | 'unknown';

const BY_NAME: [RegExp, FileKind][] = [
  [/\.(bam|cram|bed|vcf|gff3?|gtf|bedgraph|bw|bigwig|bb|bigbed|wig|seg)(\.gz)?$/i, 'genome'],
  [/\.(csv|tsv|tab)$/i, 'table'],
  [/\.(fastq|fq|fasta|fa|fna|faa|fai|sam|log|nf|smk|wdl|cwl|toml|ini|cfg|r|rmd|jl|ndjson|jsonl)$/i, 'text'],
  [/\.parquet$/i, 'parquet'],
  [/\.(md|markdown)$/i, 'markdown'],
  [/\.(json|geojson|ipynb)$/i, 'json'],
  [/\.(html?|xhtml)$/i, 'html'],
  [/\.pdf$/i, 'pdf'],
];
const BY_TYPE: [RegExp, FileKind][] = [
  [/^image\/(png|apng|jpeg|gif|webp|avif|svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)/, 'image'],
  // Browsers cannot draw it: TIFF, HEIC and others.
  [/^image\//, 'unknown'],
  [/^video\//, 'video'],
  [/^audio\//, 'audio'],
  [/^text\/|json|xml|yaml|javascript/, 'text'],
];
/** What can be read from inside gzip. */
const TEXTS: readonly FileKind[] = ['markdown', 'json', 'table', 'text'];
const NEEDS_OWN_HOST: readonly FileKind[] = ['genome', 'html', 'pdf'];

/** By its name, and where that says nothing by its media type. */
export function fileKind(name: string, type: string): FileKind {
  const byName = BY_NAME.find(([pattern]) => pattern.test(name))?.[1];
  if (byName !== undefined) return byName;
  if (isGzip(name)) {
    const inside = fileKind(name.replace(GZIP, ''), '');
    return TEXTS.includes(inside) ? inside : 'unknown';
  }
  return BY_TYPE.find(([pattern]) => pattern.test(type))?.[1] ?? 'unknown';
}

const GZIP = /\.(gz|bgz)$/i;

export function isGzip(name: string): boolean {
  return GZIP.test(name);
}

/** A genome file whose lines people can read. */
export function isGenomeText(name: string): boolean {
  return /\.(bed|vcf|gff3?|gtf|bedgraph|wig|seg)(\.gz)?$/i.test(name);
}

export function needsOwnHost(kind: FileKind): boolean {
  return NEEDS_OWN_HOST.includes(kind);
}
