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
  [/\.parquet$/i, 'parquet'],
  [/\.(md|markdown)$/i, 'markdown'],
  [/\.(json|geojson|ipynb)$/i, 'json'],
  [/\.(html?|xhtml)$/i, 'html'],
  [/\.pdf$/i, 'pdf'],
];
const BY_TYPE: [RegExp, FileKind][] = [
  [/^image\//, 'image'],
  [/^video\//, 'video'],
  [/^audio\//, 'audio'],
  [/^text\/|json|xml|yaml|javascript/, 'text'],
];
const NEEDS_OWN_HOST: readonly FileKind[] = ['genome', 'html', 'pdf'];

/** By its name, and where that says nothing by its media type. */
export function fileKind(name: string, type: string): FileKind {
  const found =
    BY_NAME.find(([pattern]) => pattern.test(name)) ?? BY_TYPE.find(([pattern]) => pattern.test(type)) ?? null;
  return found?.[1] ?? 'unknown';
}

export function needsOwnHost(kind: FileKind): boolean {
  return NEEDS_OWN_HOST.includes(kind);
}
