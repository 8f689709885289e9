import { blockAt, type FileTree, fileExtents } from '../../collections/file-tree.ts';
import { type HeldReservation, heldBudget } from '../../streams/held-budget.ts';
import type { SegmentSource } from '../../streams/part.ts';
import { segmentReader } from '../../streams/segment-reader.ts';
import { takeTurns } from '../../streams/turns.ts';
import { combineCrc32, cutCrc32 } from '../../streams/zip/crc32.ts';
import { crc32OfNext, crc32OfPart } from '../../streams/zip/crc32-stream.ts';
import type { ChecksumBook } from './checksum-book.ts';

const EXTENTS_PER_TURN = 2000;
const BLOCKS_PER_TURN = 20_000;

/** Part of a block: its checksum is filled in when the block is read. */
interface PartRun {
  kind: 'part';
  block: number;
  from: number;
  to: number;
  crc: number;
}

/** Whole blocks in a row, `end` excluded. */
interface WholeRun {
  kind: 'whole';
  first: number;
  end: number;
}

type Run = PartRun | WholeRun;

/** What is needed of blocks of one content, to be read once. */
interface Job {
  block: number;
  /** Places of this content whose own checksum is needed. */
  whole: number[];
  parts: PartRun[];
}

/** Part of a file that is computed together with others. */
interface Share {
  file: number;
  runs: Run[];
}

/** Extents that are computed together: each takes some hundred bytes, and a block is read once for them. */
const MAX_EXTENTS = 50_000;
const MIN_EXTENTS = 2000;
const EXTENT_BYTES = 400;

/**
 * Computes CRC-32s of files whose bytes are not sent: a resumed archive ends with the checksums of all its files. Each
 * block is read once for some ten thousand extents. Time goes with blocks + extents: a file over many whole blocks gets the
 * checksum of their row from two prefixes.
 * @param held memory that all answers share
 */
export async function computeChecksums(
  tree: FileTree,
  files: number[],
  source: SegmentSource,
  book: ChecksumBook,
  signal: AbortSignal,
  held: Pick<HeldReservation, 'available' | 'set' | 'release'> = heldBudget.reserve(),
): Promise<void> {
  const most = Math.min(MAX_EXTENTS, Math.max(MIN_EXTENTS, Math.floor(held.available() / EXTENT_BYTES)));
  const turn = takeTurns(EXTENTS_PER_TURN);
  const crcs = new Map<number, number>();
  let shares: Share[] = [];
  let extents = 0;
  const compute = async () => {
    await computeShares(tree, shares, crcs, source, book, signal);
    shares = [];
    extents = 0;
  };
  held.set(most * EXTENT_BYTES);
  try {
    for (const file of files) {
      let runs: Run[] = [];
      shares.push({ file, runs });
      for (const { start, length } of fileExtents(tree, file)) {
        if (extents >= most) {
          await compute();
          runs = [];
          shares.push({ file, runs });
        }
        extents++;
        for (const run of runsOf(tree, start, start + length)) runs.push(run);
        const wait = turn();
        if (wait !== undefined) await wait;
      }
    }
    await compute();
  } finally {
    held.release();
  }
  for (const file of files) book.noteFile(file, crcs.get(file) ?? 0);
}

/** @param crcs of the files as far as they have been computed, to which the shares are added */
async function computeShares(
  tree: FileTree,
  shares: readonly Share[],
  crcs: Map<number, number>,
  source: SegmentSource,
  book: ChecksumBook,
  signal: AbortSignal,
): Promise<void> {
  const turn = takeTurns(EXTENTS_PER_TURN);
  const all = shares.flatMap(({ runs }) => runs);
  for (const job of await jobsOf(tree, all, source, book)) await readBlock(tree, job, source, book, signal);
  const rows = await rowChecksums(tree, all, book);
  for (const { file, runs } of shares) {
    let crc = crcs.get(file) ?? 0;
    for (const run of runs) {
      crc = combineCrc32(crc, run.kind === 'part' ? run.crc : rows(run), lengthOf(tree, run));
      const wait = turn();
      if (wait !== undefined) await wait;
    }
    crcs.set(file, crc);
  }
}

function blockSize({ blockStarts }: FileTree, block: number): number {
  return (blockStarts[block + 1] ?? 0) - (blockStarts[block] ?? 0);
}

function lengthOf({ blockStarts }: FileTree, run: Run): number {
  return run.kind === 'part' ? run.to - run.from : (blockStarts[run.end] ?? 0) - (blockStarts[run.first] ?? 0);
}

/** At most a part of a block, whole blocks, and a part of another one. */
function* runsOf(tree: FileTree, start: number, end: number): Generator<Run> {
  const startOf = (block: number) => tree.blockStarts[block] ?? 0;
  let block = blockAt(tree, start);
  const last = blockAt(tree, end - 1);
  const part = (of: number, from: number, to: number): PartRun => {
    return { kind: 'part', block: of, from: from - startOf(of), to: to - startOf(of), crc: 0 };
  };
  if (start > startOf(block)) {
    yield part(block, start, Math.min(end, startOf(block + 1)));
    block++;
  }
  const whole = end === startOf(last + 1) ? last + 1 : last;
  if (whole > block) yield { kind: 'whole', first: block, end: whole };
  if (whole === last && block <= last) yield part(last, startOf(last), end);
}

/** One job for each content of which something is needed that the book does not have. */
async function jobsOf(tree: FileTree, runs: Run[], source: SegmentSource, book: ChecksumBook): Promise<Iterable<Job>> {
  const turn = takeTurns(BLOCKS_PER_TURN);
  const jobs = new Map<string, Job>();
  const jobOf = (block: number): Job => {
    const key = source.keyOf(block);
    const job = jobs.get(key) ?? { block, whole: [], parts: [] };
    jobs.set(key, job);
    return job;
  };
  /** How many more rows begin than end at each block. */
  const steps = new Int32Array(tree.blockCount + 1);
  for (const run of runs) {
    if (run.kind === 'part') {
      jobOf(run.block).parts.push(run);
    } else {
      steps[run.first] = (steps[run.first] ?? 0) + 1;
      steps[run.end] = (steps[run.end] ?? 0) - 1;
    }
  }
  for (let block = 0, open = 0; block < tree.blockCount; block++) {
    open += steps[block] ?? 0;
    if (open > 0 && book.block(block) === null) jobOf(block).whole.push(block);
    const wait = turn();
    if (wait !== undefined) await wait;
  }
  return [...jobs.values()].sort((a, b) => a.block - b.block);
}

async function readBlock(
  tree: FileTree,
  { block, whole, parts }: Job,
  source: SegmentSource,
  book: ChecksumBook,
  signal: AbortSignal,
): Promise<void> {
  const size = blockSize(tree, block);
  if (parts.length === 0) {
    const crc = await crc32OfPart(await source.open(block, { offset: 0, length: size }, signal), signal);
    for (const place of whole) book.noteBlock(place, crc);
    return;
  }
  const ends = whole.length > 0 ? [0, size] : [];
  const cuts = Float64Array.from(new Set([...ends, ...parts.flatMap(({ from, to }) => [from, to])])).sort();
  const first = cuts[0] ?? 0;
  const length = (cuts.at(-1) ?? 0) - first;
  const reader = segmentReader(await source.open(block, { offset: first, length }, signal), length);
  /** Of the bytes from the first cut up to each cut. */
  const upTo = new Map<number, number>([[first, 0]]);
  let crc = 0;
  try {
    for (const [i, cut] of cuts.entries()) {
      const from = cuts[i - 1];
      if (from === undefined) continue;
      signal.throwIfAborted();
      crc = combineCrc32(crc, await crc32OfNext(reader, cut - from), cut - from);
      upTo.set(cut, crc);
    }
  } finally {
    await reader.cancel('read to its end').catch(() => undefined);
  }
  for (const part of parts) {
    part.crc = cutCrc32(upTo.get(part.to) ?? 0, upTo.get(part.from) ?? 0, part.to - part.from);
  }
  for (const place of whole) book.noteBlock(place, crc);
}

/** A function that tells the checksum of whole blocks in a row. Blocks that no row needs count as zero: they cancel out. */
async function rowChecksums(tree: FileTree, runs: Run[], book: ChecksumBook): Promise<(run: WholeRun) => number> {
  let [lowest, highest] = [tree.blockCount, 0];
  for (const run of runs) {
    if (run.kind === 'part') continue;
    lowest = Math.min(lowest, run.first);
    highest = Math.max(highest, run.end);
  }
  const prefixes = new Uint32Array(Math.max(0, highest - lowest) + 1);
  const turn = takeTurns(BLOCKS_PER_TURN);
  for (let block = lowest; block < highest; block++) {
    const before = prefixes[block - lowest] ?? 0;
    prefixes[block - lowest + 1] = combineCrc32(before, book.block(block) ?? 0, blockSize(tree, block));
    const wait = turn();
    if (wait !== undefined) await wait;
  }
  return (run) => cutCrc32(prefixes[run.end - lowest] ?? 0, prefixes[run.first - lowest] ?? 0, lengthOf(tree, run));
}
