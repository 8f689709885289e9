import { takeTurns } from '../streams/turns.ts';
import { inflate } from './bgzf.ts';
import { firstOverlap, type Interval } from './intervals.ts';
import { linesOf } from './lines.ts';
import { BadGenomicFile, type FileRange, type RangedFile, readUpTo } from './ranged-file.ts';

/** The container that ends a CRAM file of version 3. */
export const CRAM_EOF_BYTES = 38;
const DEFINITION_BYTES = 26;
/** More than the head of any container of a header. */
const CONTAINER_HEAD_BYTES = 64 * 1024;
const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const RAW = 0;
const GZIP = 1;

/** What stands ahead of the data. */
export interface CramHeader {
  /** Byte where the first container with data begins. */
  end: number;
  /** The SAM header. */
  text: Uint8Array;
}

/**
 * File definition and header container.
 * @throws BadGenomicFile; also for versions other than 3
 */
export async function readCramHeader(file: RangedFile): Promise<CramHeader> {
  const bytes = await readUpTo(file, 0, DEFINITION_BYTES + CONTAINER_HEAD_BYTES);
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== 'CRAM') throw new BadGenomicFile('not a CRAM file');
  if (bytes[4] !== 3) throw new BadGenomicFile(`CRAM version ${bytes[4]} is not supported: only 3.x is`);
  const reader = cramReader(bytes, DEFINITION_BYTES);
  const length = reader.int32();
  reader.skipItf8(4);
  reader.skipLtf8(2);
  reader.skipItf8(1);
  reader.skipItf8(reader.itf8());
  reader.skip(4);
  const end = reader.at() + length;
  if (length <= 0 || length > MAX_HEADER_BYTES || end > file.size)
    throw new BadGenomicFile('the header of this CRAM file is damaged');
  const start = reader.at();
  const block = end <= bytes.byteLength ? bytes.subarray(start, end) : await file.read(start, length);
  return { end, text: await readHeaderBlock(block) };
}

async function readHeaderBlock(bytes: Uint8Array): Promise<Uint8Array> {
  const reader = cramReader(bytes, 0);
  const method = reader.byte();
  reader.skip(1);
  reader.skipItf8(1);
  const packedBytes = reader.itf8();
  reader.skipItf8(1);
  const packed = bytes.subarray(reader.at(), reader.at() + packedBytes);
  if (method !== RAW && method !== GZIP) throw new BadGenomicFile('a CRAM header that is neither raw nor gzip');
  const content = method === RAW ? packed : await inflate(packed, MAX_HEADER_BYTES);
  const inner = cramReader(content, 0);
  const textBytes = inner.int32();
  if (textBytes < 0 || textBytes + 4 > content.byteLength)
    throw new BadGenomicFile('the header of this CRAM file is damaged');
  return content.subarray(4, 4 + textBytes);
}

/** CRAM's integers of variable length: leading one bits of the first byte say how many follow. */
function cramReader(bytes: Uint8Array, from: number) {
  let at = from;
  const byte = () => {
    const value = bytes[at];
    if (value === undefined) throw new BadGenomicFile('the header of this CRAM file breaks off');
    at++;
    return value;
  };
  const itf8 = () => {
    const first = byte();
    const more = Math.min(Math.clz32(~(first << 24)), 4);
    // The last of five bytes has four bits.
    let value = more === 4 ? first & 0x0f : first & (0xff >> (more + 1));
    for (let i = 0; i < more; i++) {
      const next = byte();
      value = more === 4 && i === 3 ? (value << 4) | (next & 0x0f) : (value << 8) | next;
    }
    return value | 0;
  };
  const times = (count: number, read: () => void) => {
    if (count < 0 || count > bytes.byteLength) throw new BadGenomicFile('the header of this CRAM file is damaged');
    for (let i = 0; i < count; i++) read();
  };
  return {
    at: () => at,
    byte,
    itf8,
    int32: () => byte() | (byte() << 8) | (byte() << 16) | (byte() << 24),
    skip: (count: number) => times(count, byte),
    skipItf8: (count: number) => times(count, itf8),
    skipLtf8: (count: number) =>
      times(count, () => {
        const more = Math.min(Math.clz32(~(byte() << 24)), 8);
        times(more, byte);
      }),
  };
}

/** Entries of an index: five billion reads have as many. */
const MAX_ENTRIES = 500_000;
const LINES_PER_TURN = 10_000;

/** A CRAI index: of each line the records of one reference in one slice. Columns, because there may be many lines. */
export interface Crai {
  /** -1: records without a place. */
  references: Float64Array;
  /** 0-based, `ends` not included. */
  starts: Float64Array;
  ends: Float64Array;
  /** Byte where each slice's container begins. */
  containerOf: Float64Array;
  /** Where containers begin, ascending. */
  containers: Float64Array;
}

/** @param text inflated. @throws BadGenomicFile */
export async function parseCrai(text: Uint8Array): Promise<Crai> {
  const entries: number[][] = [[], [], [], []];
  const turn = takeTurns(LINES_PER_TURN);
  for (const line of linesOf(text)) {
    const wait = turn();
    if (wait !== undefined) await wait;
    if (line.byteLength === 0) continue;
    const fields = new TextDecoder().decode(line.subarray(0, MAX_LINE_BYTES)).split('\t').map(Number);
    const [reference = Number.NaN, start = Number.NaN, span = Number.NaN, container = Number.NaN] = fields;
    if (fields.length < 6 || !fields.every(Number.isSafeInteger) || container < 0 || span < 0)
      throw new BadGenomicFile('not a CRAI index');
    if ((entries[0]?.length ?? 0) >= MAX_ENTRIES) throw new BadGenomicFile(`a CRAI index of over ${MAX_ENTRIES} lines`);
    for (const [i, value] of [reference, start - 1, start - 1 + span, container].entries()) entries[i]?.push(value);
  }
  const [references, starts, ends, containerOf] = entries.map((column) => Float64Array.from(column));
  const none = new Float64Array(0);
  const containers = Float64Array.from(new Set(containerOf)).sort();
  return {
    references: references ?? none,
    starts: starts ?? none,
    ends: ends ?? none,
    containerOf: containerOf ?? none,
    containers,
  };
}

/** Six numbers, and more than they can have. */
const MAX_LINE_BYTES = 256;

/**
 * Containers with records that overlap one of the intervals.
 * @param reference its number in the header; -1: records without a place
 * @param intervals ascending and apart
 * @param dataEnd byte where the container that ends the file begins
 * @throws BadGenomicFile when the index is not of this file
 */
export function containersOf(
  { references, starts, ends, containerOf, containers }: Crai,
  reference: number,
  intervals: readonly Interval[],
  dataEnd: number,
): FileRange[] {
  if ((containers.at(-1) ?? 0) >= dataEnd && containers.length > 0)
    throw new BadGenomicFile('the index is not of this file: a container in it is behind the end');
  const wanted = new Set<number>();
  references.forEach((of, i) => {
    if (of !== reference) return;
    const place = { start: starts[i] ?? 0, end: ends[i] ?? 0 };
    if (reference < 0 || firstOverlap(intervals, place) !== null) wanted.add(containerOf[i] ?? 0);
  });
  const ranges: FileRange[] = [];
  containers.forEach((container, i) => {
    if (wanted.has(container)) ranges.push({ start: container, end: containers[i + 1] ?? dataEnd });
  });
  return ranges;
}
