import { compareOffsets, readVirtualOffset, type VirtualOffset } from './bgzf.ts';
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

/** 0-based, `end` not included. */
export interface Interval {
  start: number;
  end: number;
}

const BAI_SHIFT = 14;
const BAI_DEPTH = 5;
/** Above it no bin number fits into 32 bits. */
const MAX_DEPTH = 10;
const CHUNK_BYTES = 16;
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

/**
 * Chunks that hold every record of a reference that overlaps the interval, in the order of the file; maybe others too.
 * @param reference its number in the file's header, or in `names`
 */
export function chunksOf(index: BinIndex, reference: number, interval: Interval): Chunk[] {
  const from = index.references[reference];
  const maxBases = 2 ** (index.minShift + 3 * index.depth);
  const start = Math.max(0, Math.min(interval.start, maxBases));
  const end = Math.min(interval.end, maxBases);
  if (from === undefined || end <= start) return [];
  const bins = readBins(index, from);
  const minimum = leastOffset(index, bins, start);
  const chunks: Chunk[] = [];
  const wanted = levelsOf(index, { start, end });
  for (const bin of bins.list) {
    if (!wanted.some(({ first, last }) => bin.number >= first && bin.number <= last)) continue;
    for (const { start: from, end: to } of chunksIn(index, bin)) {
      if (compareOffsets(to, minimum) > 0)
        chunks.push({ start: compareOffsets(from, minimum) < 0 ? minimum : from, end: to });
    }
  }
  return joinChunks(chunks);
}

interface Bin {
  number: number;
  /** Place of its first chunk in the index. */
  at: number;
  chunks: number;
  /** CSI: no record that overlaps the bin begins before. */
  least: VirtualOffset | null;
}

interface Bins {
  list: Bin[];
  /** Place behind the last bin: the linear index of BAI and TBI. */
  end: number;
}

function readBins({ bytes, kind, depth }: BinIndex, from: number): Bins {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headBytes = binHeadBytes(kind);
  const list: Bin[] = [];
  let at = from + 4;
  for (let left = view.getInt32(from, true); left > 0; left--) {
    const number = view.getUint32(at, true);
    const chunks = view.getInt32(at + headBytes - 4, true);
    const least = kind === 'csi' ? readVirtualOffset(view, at + 4) : null;
    if (number <= lastBin(depth)) list.push({ number, at: at + headBytes, chunks, least });
    at += headBytes + chunks * CHUNK_BYTES;
  }
  return { list, end: at };
}

/** For each level of the tree the bins that overlap the interval. */
function levelsOf({ minShift, depth }: BinIndex, { start, end }: Interval): { first: number; last: number }[] {
  return Array.from({ length: depth + 1 }, (_, level) => {
    const bases = 2 ** (minShift + 3 * (depth - level));
    const base = firstBin(level);
    return { first: base + Math.floor(start / bases), last: base + Math.floor((end - 1) / bases) };
  });
}

function* chunksIn({ bytes }: BinIndex, bin: Bin): Generator<Chunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < bin.chunks; i++) {
    const at = bin.at + i * CHUNK_BYTES;
    yield { start: readVirtualOffset(view, at), end: readVirtualOffset(view, at + 8) };
  }
}

/** No record that overlaps what comes after `start` begins before. */
function leastOffset(index: BinIndex, bins: Bins, start: number): VirtualOffset {
  return index.kind === 'csi' ? leastByBins(index, bins, start) : leastByWindows(index, bins.end, start);
}

/** The linear index: for each 16,384 bases the first record that overlaps them; 0 where there is none. */
function leastByWindows({ bytes }: BinIndex, at: number, start: number): VirtualOffset {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const windows = view.getInt32(at, true);
  for (let window = Math.min(Math.floor(start / 2 ** BAI_SHIFT), windows - 1); window >= 0; window--) {
    const offset = readVirtualOffset(view, at + 4 + window * 8);
    if (offset.block > 0 || offset.within > 0) return offset;
  }
  return { block: 0, within: 0 };
}

/** CSI: the smallest bin at `start`, or the next one before it or above it that exists. */
function leastByBins({ minShift, depth }: BinIndex, { list }: Bins, start: number): VirtualOffset {
  const leastOf = new Map(list.map(({ number, least }) => [number, least]));
  let bin = firstBin(depth) + Math.floor(start / 2 ** minShift);
  while (bin > 0 && !leastOf.has(bin)) {
    const parent = Math.floor((bin - 1) / 8);
    bin = bin > parent * 8 + 1 ? bin - 1 : parent;
  }
  return leastOf.get(bin) ?? { block: 0, within: 0 };
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

/** Where chunks of a reference begin or end, ascending: every one is the beginning of a block. */
export function knownBlocks(index: BinIndex): number[] {
  const blocks = new Set<number>();
  for (const from of index.references) {
    for (const bin of readBins(index, from).list) {
      for (const { start, end } of chunksIn(index, bin)) blocks.add(start.block).add(end.block);
    }
  }
  return [...blocks].sort((a, b) => a - b);
}
