import { fileEtag } from '../../collections/file-etag.ts';
import { inflate, inflateBlocks } from '../../genomics/bgzf.ts';
import { parseBinIndex } from '../../genomics/bin-index.ts';
import { parseCrai } from '../../genomics/cram.ts';
import type { CutChunk } from '../../genomics/cut-chunk.ts';
import { parseGzi } from '../../genomics/gzi.ts';
import { type Format, type GenomicHeader, readHeader } from '../../genomics/header.ts';
import { BadGenomicFile, type RangedFile, readUpTo } from '../../genomics/ranged-file.ts';
import type { IndexedBgzf, IndexedCram } from '../../genomics/regions.ts';
import type { RequestContext } from '../../http/context.ts';
import { type BoundedMap, createBoundedMap } from '../../keep/bounded-map.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Ga4ghDependencies } from './dependencies.ts';
import { fileAt, type Opened, rangedFile } from './open-file.ts';

/** What is kept of a file and its indexes: it is content only, the same for every reader. */
export type GenomeIndex = Omit<IndexedCram, 'file'> | (Omit<IndexedBgzf, 'file'> & { cuts: CutCache });

/** What was cut out of the file lately, by chunk. */
export type CutCache = BoundedMap<CutChunk>;

/** Extensions of each format, in lower case. */
const EXTENSIONS: Record<Format, string[]> = {
  BAM: ['.bam'],
  CRAM: ['.cram'],
  VCF: ['.vcf.gz', '.vcf.bgz'],
  BCF: ['.bcf'],
};
const INDEXES: Record<Format, string[]> = {
  BAM: ['.bai', '.csi'],
  CRAM: ['.crai'],
  VCF: ['.tbi', '.csi'],
  BCF: ['.csi'],
};
const MAX_INDEX_BYTES = 32 * 1024 * 1024;
/** Of one that is compressed: both are in memory while it is inflated. */
const MAX_PACKED_BYTES = 16 * 1024 * 1024;
/** Blocks that were packed again, of one file. */
const MAX_CUT_BYTES = 1024 * 1024;
const kept = createBoundedMap<GenomeIndex>({ maxEntries: 500, maxBytes: 24 * 1024 * 1024, sizeOf });
/** The load under way: large ones side by side would not fit into memory. Requests cannot wait for each other's promises. */
const loading = new Map<string, number>();
const MAX_LOAD_MS = 30_000;
const WAIT_STEP_MS = 20;

/** The format that a path's extension tells, or null. */
export function formatOf(path: string): Format | null {
  const lower = path.toLowerCase();
  const formats = Object.keys(EXTENSIONS) as Format[];
  return formats.find((format) => EXTENSIONS[format].some((extension) => lower.endsWith(extension))) ?? null;
}

/** Paths that an id without an extension may stand for. */
export function withExtensions(path: string, formats: readonly Format[]): string[] {
  return formats.flatMap((format) => EXTENSIONS[format].map((extension) => `${path}${extension}`));
}

/** Paths at which a file's index may be: `x.bam.bai`, or `x.bai`. */
function indexPaths(path: string, format: Format): string[] {
  const extension = EXTENSIONS[format].find((text) => path.toLowerCase().endsWith(text)) ?? '';
  const stem = path.slice(0, path.length - extension.length);
  return [path, stem].flatMap((base) => INDEXES[format].map((suffix) => `${base}${suffix}`));
}

/** The file's index, or null when none lies beside it. */
export function findIndex(opened: Opened, path: string, format: Format): number | null {
  for (const candidate of indexPaths(path, format)) {
    const node = fileAt(opened, candidate);
    if (node !== null) return node;
  }
  return null;
}

/**
 * The header and the index of a file, parsed once in this isolate for all collections that have both.
 * @throws BadGenomicFile; KeepError unavailable when other large indexes are being read
 */
export async function genomeIndex(
  context: RequestContext,
  deps: Ga4ghDependencies,
  opened: Opened,
  file: { path: string; node: number; format: Format; index: number },
): Promise<GenomeIndex> {
  const { tree } = opened;
  const gzi = fileAt(opened, `${file.path}.gzi`);
  const nodes = [file.node, file.index, ...(gzi === null ? [] : [gzi])];
  const etags = await Promise.all(nodes.map((node) => fileEtag(tree, node)));
  const key = [file.format, ...etags].join();
  const ranged = (node: number) => rangedFile(context, deps, opened, node);
  return loadInTurn(key, async () => {
    const loaded = await load(file.format, ranged(file.node), ranged(file.index), gzi === null ? null : ranged(gzi));
    kept.set(key, loaded);
    return loaded;
  });
}

/**
 * The header of a file that no index lies beside.
 * @throws BadGenomicFile; KeepError unavailable as genomeIndex
 */
export function headerInTurn(file: RangedFile, format: Format): Promise<GenomicHeader> {
  const key = `header ${crypto.randomUUID()}`;
  return loadInTurn<{ header: GenomicHeader }>(key, async () => ({ header: await readHeader(file, format) })).then(
    ({ header }) => header,
  );
}

async function loadInTurn<Loaded>(key: string, read: () => Promise<Loaded>): Promise<Loaded | GenomeIndex> {
  const found = await turnToLoad(key);
  if (found !== undefined) return found;
  try {
    return await read();
  } finally {
    loading.delete(key);
  }
}

/** Waits until the index is there, or this request may read it. */
async function turnToLoad(key: string): Promise<GenomeIndex | undefined> {
  const giveUp = Date.now() + MAX_LOAD_MS;
  for (;;) {
    const found = kept.get(key);
    if (found !== undefined) return found;
    // A request that was cut off may have left its mark.
    for (const [other, until] of loading) if (until < Date.now()) loading.delete(other);
    if (loading.size === 0) {
      loading.set(key, Date.now() + MAX_LOAD_MS);
      return undefined;
    }
    if (Date.now() > giveUp) throw new KeepError('unavailable', { message: 'other indexes are being read: try again' });
    await scheduler.wait(WAIT_STEP_MS);
  }
}

async function load(format: Format, file: RangedFile, index: RangedFile, gzi: RangedFile | null): Promise<GenomeIndex> {
  if (index.size > MAX_INDEX_BYTES) throw new BadGenomicFile(`an index of over ${MAX_INDEX_BYTES} bytes`);
  const isPacked = (await readUpTo(index, 0, 1))[0] === 31;
  if (isPacked && index.size > MAX_PACKED_BYTES)
    throw new BadGenomicFile(`a compressed index of over ${MAX_PACKED_BYTES} bytes`);
  const header = await readHeader(file, format);
  const bytes = await index.read(0, index.size);
  if (format === 'CRAM') {
    const text = isPacked ? await inflate(bytes, MAX_PACKED_BYTES) : bytes;
    return { format, header, index: { kind: 'crai', crai: await parseCrai(text) } };
  }
  const inflated = isPacked ? await inflateBlocks(bytes, MAX_INDEX_BYTES) : bytes;
  const blockStarts = gzi === null || gzi.size > MAX_INDEX_BYTES ? null : parseGzi(await gzi.read(0, gzi.size));
  const cuts = createBoundedMap<CutChunk>({ maxEntries: 200, maxBytes: MAX_CUT_BYTES, sizeOf: sizeOfCut });
  return { format, header, blockStarts, cuts, index: parseBinIndex(inflated) };
}

function sizeOf(source: GenomeIndex): number {
  const { header } = source;
  const names = header.references.reduce((sum, name) => sum + 40 + 2 * name.length, 0);
  const bytes =
    'blockStarts' in source
      ? source.index.bytes.byteLength + (source.blockStarts?.byteLength ?? 0) + MAX_CUT_BYTES
      : 40 * source.index.crai.references.length;
  return 1000 + names + bytes + (header.tail?.byteLength ?? 0);
}

function sizeOfCut({ head, tail }: CutChunk): number {
  return 200 + (head?.byteLength ?? 0) + (tail?.byteLength ?? 0);
}
