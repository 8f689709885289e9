import mime from 'mime/lite';

/** Text formats for which the MIME registry has no useful type. */
const TEXT_EXTENSIONS = new Set(
  (
    'bed bedgraph bib bim c cc cfg chain conf config cpp csh csl cwl dict diff dot embl env fa faa fai ' +
    'fam fasta fastq ffn fna fq frq gb gbk gff gff3 go groovy gtf h hpp ini interval_list java jl jsonl ' +
    'ksh lock log lst maf md5 ndjson newick nex nf nwk obo org out paf patch ped phy pileup pl properties ' +
    'psl py r rb rmd rs rst sam sh sha1 sha256 sizes smk sql stats tab tex toml ts tsv vcf wdl wig yaml ' +
    'yml'
  ).split(' '),
);
/** Files without an extension that are text by custom. */
const TEXT_NAMES =
  /^(readme|license|licence|copying|copyright|changelog|changes|authors|contributing|makefile|dockerfile|snakefile|notice|todo|news|install|version|manifest|md5sums?|sha\d+sums?|stderr|stdout)$/i;

const PLAIN_TEXT = 'text/plain; charset=utf-8';
const UNKNOWN = 'application/octet-stream';

/** The type of a file by its name alone: no data is read for it, and HEAD, GET and PROPFIND agree. */
export function contentType(name: string): string {
  const dot = name.lastIndexOf('.');
  if (dot < 0) return TEXT_NAMES.test(name) ? PLAIN_TEXT : UNKNOWN;
  const extension = name.slice(dot + 1).toLowerCase();
  if (TEXT_EXTENSIONS.has(extension)) return PLAIN_TEXT;
  const type = mime.getType(extension) ?? UNKNOWN;
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type;
}
