import type { Segment, SegmentSource } from './part.ts';

/**
 * Finds the parts of an answer that one read of a block can serve. Pure arithmetic; shared-reads.ts carries it out.
 */

/** Segments of an answer in their order, as columns: there may be a quarter of a million. */
export interface SegmentColumns {
  source: SegmentSource | null;
  blocks: number[];
  offsets: number[];
  lengths: number[];
}

/** One read of a block for two segments or more. */
export interface PlannedRead {
  block: number;
  offset: number;
  length: number;
  segments: number;
  /**
   * Null when the segments come in the order of their offsets: they are cut from the stream as it flows. Otherwise the
   * ranges to hold in memory, ascending and apart, as start and end in the block in turns.
   */
  held: Float64Array | null;
}

export interface ReadPlan {
  /** How many of the segments are planned: fewer when more would have to be held than `budget`. */
  count: number;
  reads: PlannedRead[];
  /** For each segment its read, or -1: it is read alone. */
  readOf: Int32Array;
  /** Bytes held at most. */
  heldBytes: number;
}

/** Bytes that a read may skip between two segments: cheaper than another request. */
const MAX_GAP_BYTES = 16 * 1024 * 1024;
/** Streams that one answer keeps open in turns; the other blocks' segments are held. */
const MAX_OPEN_STREAMS = 4;
/** Offset and number of a segment are sorted as one double: 2^35 x 2^18 is the most that is exact. */
const NUMBERS = 2 ** 18;
const MAX_OFFSET = 2 ** 35;

export function newColumns(): SegmentColumns {
  return { source: null, blocks: [], offsets: [], lengths: [] };
}

export function addSegment(columns: SegmentColumns, { source, block, offset, length }: Segment): void {
  columns.source = source;
  columns.blocks.push(block);
  columns.offsets.push(offset);
  columns.lengths.push(length);
}

/** The columns without their first `count` segments. */
export function columnsAfter({ source, blocks, offsets, lengths }: SegmentColumns, count: number): SegmentColumns {
  return { source, blocks: blocks.slice(count), offsets: offsets.slice(count), lengths: lengths.slice(count) };
}

/** Plans as many segments, up to `most`, as `budget` bytes in memory allow; one at least. */
export function planReads(columns: SegmentColumns, budget: number, most: number = NUMBERS): ReadPlan {
  for (let count = Math.min(columns.blocks.length, most, NUMBERS); ; count = Math.floor(count / 2)) {
    const plan = planFirst(columns, count);
    if (plan.heldBytes <= budget || count <= 1) return plan;
  }
}

function planFirst(columns: SegmentColumns, count: number): ReadPlan {
  const { offsets, lengths } = columns;
  const plan: ReadPlan = { count, reads: [], readOf: new Int32Array(count).fill(-1), heldBytes: 0 };
  const places: { read: PlannedRead; first: number; last: number; isOrdered: boolean; members: Float64Array }[] = [];
  for (const keys of byBlock(columns, count)) {
    for (let from = 0; from < keys.length; ) {
      const { to, end, isOrdered, first, last } = neighbours(keys, from, offsets, lengths);
      if (to - from > 1) {
        const members = keys.subarray(from, to);
        const lowest = numberOf(members[0] ?? 0);
        const offset = offsets[lowest] ?? 0;
        const block = columns.blocks[lowest] ?? 0;
        const read = { block, offset, length: end - offset, segments: to - from, held: null };
        places.push({ read, first, last, isOrdered, members });
      }
      from = to;
    }
  }
  places.sort((a, b) => a.first - b.first);
  let open: number[] = [];
  for (const { read, first, last, isOrdered, members } of places) {
    open = open.filter((until) => until >= first);
    if (isOrdered && open.length < MAX_OPEN_STREAMS) {
      open.push(last);
    } else {
      read.held = joined(members, offsets, lengths);
      plan.heldBytes += bytesOf(read.held);
    }
    for (const key of members) plan.readOf[numberOf(key)] = plan.reads.length;
    plan.reads.push(read);
  }
  return plan;
}

function numberOf(key: number): number {
  return key % NUMBERS;
}

/** For each block the numbers of its segments, each with its offset, sorted by that. */
function byBlock({ source, blocks, offsets }: SegmentColumns, count: number): Float64Array[] {
  const ids = new Map<string, number>();
  const idOfBlock = new Map<number, number>();
  const groups: number[][] = [];
  for (let i = 0; i < count; i++) {
    const block = blocks[i] ?? 0;
    const offset = offsets[i] ?? 0;
    if (offset >= MAX_OFFSET || source === null) continue;
    let id = idOfBlock.get(block);
    if (id === undefined) {
      const key = source.keyOf(block);
      id = ids.get(key) ?? ids.size;
      ids.set(key, id);
      idOfBlock.set(block, id);
      groups[id] ??= [];
    }
    groups[id]?.push(offset * NUMBERS + i);
  }
  return groups.filter(({ length }) => length > 1).map((keys) => Float64Array.from(keys).sort());
}

/** The segments from `from` on that are near each other, in the order of their offsets. */
function neighbours(keys: Float64Array, from: number, offsets: number[], lengths: number[]) {
  let first = numberOf(keys[from] ?? 0);
  let last = first;
  let end = (offsets[first] ?? 0) + (lengths[first] ?? 0);
  let isOrdered = true;
  let to = from + 1;
  for (; to < keys.length; to++) {
    const number = numberOf(keys[to] ?? 0);
    const start = offsets[number] ?? 0;
    if (start - end > MAX_GAP_BYTES) break;
    isOrdered &&= number > last && start >= end;
    end = Math.max(end, start + (lengths[number] ?? 0));
    first = Math.min(first, number);
    last = Math.max(last, number);
  }
  return { to, end, isOrdered, first, last };
}

/** Segments that overlap or touch, as ranges. */
function joined(keys: Float64Array, offsets: number[], lengths: number[]): Float64Array {
  const ranges = new Float64Array(2 * keys.length);
  let length = 0;
  for (const key of keys) {
    const number = numberOf(key);
    const start = offsets[number] ?? 0;
    const end = start + (lengths[number] ?? 0);
    if (length > 0 && start <= (ranges[length - 1] ?? 0)) {
      ranges[length - 1] = Math.max(ranges[length - 1] ?? 0, end);
    } else {
      ranges[length++] = start;
      ranges[length++] = end;
    }
  }
  return ranges.slice(0, length);
}

/** Bytes of ranges as `held` has them. */
export function bytesOf(ranges: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < ranges.length; i += 2) sum += (ranges[i + 1] ?? 0) - (ranges[i] ?? 0);
  return sum;
}
