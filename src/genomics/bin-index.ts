import { takeTurns } from '../streams/turns.ts';
import { compareOffsets, readVirtualOffset, type VirtualOffset } from './bgzf.ts';
import { firstOverlap, type Interval, joinIntervals } from './intervals.ts';
import { BadGenomicFile } from './ranged-file.ts';

/**
 * BAI, TBI and CSI: for each reference sequence, bins of a tree that halves it seven times over (each bin has eight
 * children), and for each bin the chunks of the file with records that lie in it.
 */
export interface BinIndex {
  kind: 'bai' | 'tbi' | 'csi';
  /** Log2 of the bases of a smallest bin. */
  minShift: number;
  /** Levels of the tree below its root. */
  depth: number;
  /** Names of the references where the index has them: TBI, and CSI of tabix. */
  names: string[] | null;
  /** Of each reference: where its list of bins begins in `bytes`. */
  references: Uint32Array;
  bytes: Uint8Array;
  /** The end of the last record that lies on a reference. */
  end: VirtualOffset;
}

/** Records of one chunk lie between these. */
export interface Chunk {
  start: VirtualOffset;
  end: VirtualOffset;
}

const BAI_SHIFT = 14;
const BAI_DEPTH = 5;
/** Above it no bin number fits into 32 bits. */
const MAX_DEPTH = 10;
const CHUNK_BYTES = 16;
/** Of one reference: the largest known chromosomes have a third of it. */
const MAX_BINS = 1_000_000;
/** Columns, sequence and comment settings of tabix, before the names. */
const TABIX_BYTES = 28;

/**
 * Finds the references of an index; bins are read when they are asked for.
 * @param bytes inflated
 * @throws BadGenomicFile
 */
export function parseBinIndex(bytes: Uint8Array): BinIndex {
  const reader = readerOf(bytes);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic === 'BAI\x01') {
    const count = reader.count(4, 8);
    return walk({ kind: 'bai', minShift: BAI_SHIFT, depth: BAI_DEPTH, names: null, bytes }, 8, count);
  }
  if (magic === 'TBI\x01') {
    const count = reader.count(4, 8);
    const { names, end } = reader.tabix(8);
    return walk({ kind: 'tbi', minShift: BAI_SHIFT, depth: BAI_DEPTH, names, bytes }, end, count);
  }
  if (magic === 'CSI\x01') {
    const minShift = reader.int(4);
    const depth = reader.int(8);
    if (minShift < 1 || depth < 1 || depth > MAX_DEPTH || minShift + 3 * depth > 50)
      throw new BadGenomicFile('a CSI index with impossible bins');
    const aux = reader.count(12, 1);
    const names = aux >= TABIX_BYTES ? reader.tabix(16).names : null;
    return walk({ kind: 'csi', minShift, depth, names, bytes }, 16 + aux + 4, reader.count(16 + aux, 4));
  }
  throw new BadGenomicFile('neither a BAI, TBI nor CSI index');
}

/** Integers and counts of an index, checked against its length. */
function readerOf(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const int = (at: number) => {
    if (at < 0 || at + 4 > bytes.byteLength) throw new BadGenomicFile('the index breaks off');
    return view.getInt32(at, true);
  };
  /** A number of things of at least `size` bytes each that follow. */
  const count = (at: number, size: number) => {
    const value = int(at);
    if (value < 0 || at + 4 + value * size > bytes.byteLength) throw new BadGenomicFile('the index breaks off');
    return value;
  };
  return {
    view,
    int,
    count,
    tabix(at: number): { names: string[]; end: number } {
      const start = at + TABIX_BYTES;
      const end = start + count(start - 4, 1);
      const names = new TextDecoder().decode(bytes.subarray(start, end)).split('\0');
      names.pop();
      return { names, end };
    },
  };
}

type Head = Omit<BinIndex, 'references' | 'end'>;

function walk(head: Head, from: number, count: number): BinIndex {
  const { bytes } = head;
  const { view, count: countAt } = readerOf(bytes);
  const references = new Uint32Array(count);
  let last: VirtualOffset = { block: 0, within: 0 };
  let at = from;
  for (let reference = 0; reference < count; reference++) {
    references[reference] = at;
    const binBytes = binHeadBytes(head.kind);
    const bins = countAt(at, binBytes);
    if (bins > MAX_BINS) throw new BadGenomicFile(`an index of over ${MAX_BINS} bins for one reference`);
    at += 4;
    for (let bin = 0; bin < bins; bin++) {
      const chunks = countAt(at + binBytes - 4, CHUNK_BYTES);
      const number = view.getUint32(at, true);
      at += binBytes;
      const end = at + chunks * CHUNK_BYTES;
      if (number <= lastBin(head.depth)) {
        for (; at < end; at += CHUNK_BYTES) {
          const offset = readVirtualOffset(view, at + 8);
          if (compareOffsets(offset, last) > 0) last = offset;
        }
      }
      at = end;
    }
    if (head.kind !== 'csi') at += 4 + countAt(at, 8) * 8;
  }
  return { ...head, references, end: last };
}

/** Number, first offset (CSI), count of chunks. */
function binHeadBytes(kind: BinIndex['kind']): number {
  return kind === 'csi' ? 16 : 8;
}

/** Number of the last bin; what comes after it are figures about the reference, not places. */
function lastBin(depth: number): number {
  return (8 ** (depth + 1) - 1) / 7 - 1;
}

function firstBin(level: number): number {
  return (8 ** level - 1) / 7;
}

/** Bins and chunks that are looked at before other requests get a turn. */
const ITEMS_PER_TURN = 20_000;
/** Chunks of one reference that are held apart: of more, the nearest are joined, with what is between them. */
const MAX_CHUNKS = 20_000;

/**
 * Chunks that hold every record of a reference that overlaps one of the intervals, in the order of the file; maybe others
 * too. Each bin is looked at once, however many intervals there are.
 * @param reference its number in the file's header, or in `names`
 */
export async function chunksOf(index: BinIndex, reference: number, intervals: readonly Interval[]): Promise<Chunk[]> {
  const from = index.references[reference];
  const maxBases = 2 ** (index.minShift + 3 * index.depth);
  const wanted = joinIntervals(intervals, maxBases);
  if (from === undefined || wanted.length === 0) return [];
  const bins = readBins(index, from);
  const minima = leastOffsets(index, bins, wanted);
  const turn = takeTurns(ITEMS_PER_TURN);
  let chunks: Chunk[] = [];
  for (let bin = 0; bin < bins.numbers.length; bin++) {
    const wait = turn();
    if (wait !== undefined) await wait;
    const first = firstOverlap(wanted, basesOf(index, bins.numbers[bin] ?? 0));
    if (first === null) continue;
    const minimum = minima[first] ?? NOWHERE;
    for (const { start, end } of chunksIn(index, bins, bin)) {
      const another = turn();
      if (another !== undefined) await another;
      if (compareOffsets(end, minimum) <= 0) continue;
      chunks.push({ start: compareOffsets(start, minimum) < 0 ? minimum : start, end });
      if (chunks.length > 2 * MAX_CHUNKS) chunks = joinNearest(joinChunks(chunks), MAX_CHUNKS);
    }
  }
  return joinChunks(chunks);
}

/** Bins of one reference, as columns: an index may have a million. */
interface Bins {
  numbers: Uint32Array;
  /** Place of the first chunk of each in the index, and how many there are. */
  places: Uint32Array;
  counts: Uint32Array;
  /** Place behind the last bin: the linear index of BAI and TBI. */
  end: number;
}

function readBins({ bytes, kind, depth }: BinIndex, from: number): Bins {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headBytes = binHeadBytes(kind);
  const all = view.getInt32(from, true);
  const bins = { numbers: new Uint32Array(all), places: new Uint32Array(all), counts: new Uint32Array(all) };
  let length = 0;
  let at = from + 4;
  for (let left = all; left > 0; left--) {
    const number = view.getUint32(at, true);
    const chunks = view.getInt32(at + headBytes - 4, true);
    if (number <= lastBin(depth)) {
      bins.numbers[length] = number;
      bins.places[length] = at + headBytes;
      bins.counts[length++] = chunks;
    }
    at += headBytes + chunks * CHUNK_BYTES;
  }
  const { numbers, places, counts } = bins;
  return {
    numbers: numbers.subarray(0, length),
    places: places.subarray(0, length),
    counts: counts.subarray(0, length),
    end: at,
  };
}

/** The bases that a bin stands for. */
function basesOf({ minShift, depth }: BinIndex, bin: number): Interval {
  let level = depth;
  while (level > 0 && bin < firstBin(level)) level--;
  const bases = 2 ** (minShift + 3 * (depth - level));
  const start = (bin - firstBin(level)) * bases;
  return { start, end: start + bases };
}

function* chunksIn({ bytes }: BinIndex, bins: Bins, bin: number): Generator<Chunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < (bins.counts[bin] ?? 0); i++) {
    const at = (bins.places[bin] ?? 0) + i * CHUNK_BYTES;
    yield { start: readVirtualOffset(view, at), end: readVirtualOffset(view, at + 8) };
  }
}

const NOWHERE: VirtualOffset = { block: 0, within: 0 };

/** For each of ascending intervals: no record that overlaps it, or one behind it, begins before. */
function leastOffsets(index: BinIndex, bins: Bins, intervals: readonly Interval[]): VirtualOffset[] {
  const least = index.kind === 'csi' ? leastByBins(index, bins, intervals) : leastByWindows(index, bins.end, intervals);
  for (let i = least.length - 2; i >= 0; i--) {
    const [own, next] = [least[i] ?? NOWHERE, least[i + 1] ?? NOWHERE];
    if (compareOffsets(next, own) < 0) least[i] = next;
  }
  return least;
}

/** The linear index: for each 16,384 bases the first record that overlaps them; 0 where there is none. */
function leastByWindows({ bytes }: BinIndex, at: number, intervals: readonly Interval[]): VirtualOffset[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const windows = view.getInt32(at, true);
  let last = NOWHERE;
  let window = 0;
  return intervals.map(({ start }) => {
    for (; window <= Math.min(Math.floor(start / 2 ** BAI_SHIFT), windows - 1); window++) {
      const offset = readVirtualOffset(view, at + 4 + window * 8);
      if (offset.block > 0 || offset.within > 0) last = offset;
    }
    return last;
  });
}

/** CSI: the smallest bin at the start, or the next one before it or above it that exists. */
function leastByBins(
  { bytes, minShift, depth }: BinIndex,
  { numbers, places }: Bins,
  intervals: readonly Interval[],
): VirtualOffset[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const binOf = new Map<number, number>();
  numbers.forEach((number, i) => {
    binOf.set(number, i);
  });
  return intervals.map(({ start }) => {
    let bin = firstBin(depth) + Math.floor(start / 2 ** minShift);
    while (bin > 0 && !binOf.has(bin)) {
      const parent = Math.floor((bin - 1) / 8);
      bin = bin > parent * 8 + 1 ? bin - 1 : parent;
    }
    const found = binOf.get(bin);
    // The offset stands between a bin's number and the count of its chunks.
    return found === undefined ? NOWHERE : readVirtualOffset(view, (places[found] ?? 0) - 12);
  });
}

/** Chunks in the order of the file, those that meet in a block joined. */
export function joinChunks(chunks: readonly Chunk[]): Chunk[] {
  const joined: Chunk[] = [];
  for (const { start, end } of chunks.toSorted((a, b) => compareOffsets(a.start, b.start))) {
    const last = joined.at(-1);
    if (compareOffsets(end, start) <= 0) continue;
    if (last === undefined || start.block > last.end.block) joined.push({ start, end });
    else if (compareOffsets(end, last.end) > 0) last.end = end;
  }
  return joined;
}

/**
 * Chunks joined, nearest first, until there are no more than `most`: each has two blocks that stand in the answer.
 * @param chunks ascending and apart
 */
export function joinNearest(chunks: Chunk[], most: number): Chunk[] {
  if (chunks.length <= most) return chunks;
  const gaps = chunks.slice(1).map(({ start }, i) => start.block - (chunks[i]?.end.block ?? 0));
  const widest = gaps.toSorted((a, b) => b - a).slice(0, most - 1);
  const least = widest.at(-1) ?? Number.POSITIVE_INFINITY;
  let kept = widest.filter((gap) => gap === least).length;
  const joined: Chunk[] = [];
  chunks.forEach((chunk, i) => {
    const gap = gaps[i - 1] ?? 0;
    const last = joined.at(-1);
    const isKept = last === undefined || gap > least || (gap === least && kept-- > 0);
    if (isKept) joined.push({ ...chunk });
    else if (last !== undefined) last.end = chunk.end;
  });
  return joined;
}

/** Of the starts of blocks that lie so near each other one is enough to cut a file at. */
const START_BYTES = 16 * 1024 * 1024;

/** Some places where chunks of a file of `size` bytes begin or end, ascending: every one is the beginning of a block. */
export async function knownBlocks(index: BinIndex, size: number): Promise<number[]> {
  const blocks = new Map<number, number>();
  const turn = takeTurns(ITEMS_PER_TURN);
  for (const from of index.references) {
    const bins = readBins(index, from);
    for (let bin = 0; bin < bins.numbers.length; bin++) {
      for (const { start, end } of chunksIn(index, bins, bin)) {
        const wait = turn();
        if (wait !== undefined) await wait;
        for (const { block } of [start, end]) {
          const place = Math.floor(block / START_BYTES);
          if (block <= size && block > (blocks.get(place) ?? -1)) blocks.set(place, block);
        }
      }
    }
  }
  return [...blocks.values()].sort((a, b) => a - b);
}
