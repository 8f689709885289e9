import { KeepError } from '../keep/errors.ts';
import { CHUNK_BYTES } from './chunks.ts';
import { type HeldReservation, heldBudget } from './held-budget.ts';
import type { Fill, LazyPart, OpenPart, Part, Segment, SegmentSource } from './part.ts';
import {
  addSegment,
  bytesOf,
  columnsAfter,
  newColumns,
  type PlannedRead,
  planReads,
  type ReadPlan,
} from './read-plan.ts';
import { type SegmentReader, segmentReader } from './segment-reader.ts';
import { takeTurns } from './turns.ts';

/** Bytes of an answer that are planned together: in scattered order, a block is read once for so many. */
const WINDOW_BYTES = 64 * 1024 * 1024;
/** Segments that are planned together; fewer where other answers hold much. */
const MAX_WINDOW_SEGMENTS = 2 ** 16;
const MIN_WINDOW_SEGMENTS = 256;
/** What a planned segment takes in memory, and a planned read; about one read in two segments at most. */
const SEGMENT_BYTES = 64;
const READ_BYTES = 900;
/** Streams that are cut as they flow read ahead; less where other answers hold much. */
const OPEN_STREAMS = 5;
const SHORT_CHUNK_BYTES = 64 * 1024;
const SHORT_BELOW_BYTES = 16 * 1024 * 1024;
/** Bytes that an answer may hold for segments to come although others hold all there is. */
const LEAST_HELD_BYTES = 64 * 1024;
const PARTS_PER_TURN = 2000;
/** Up to this length a segment is handed over as bytes; longer ones are piped. */
const INLINE_BYTES = 128 * 1024;

export interface SharedReads {
  parts: Iterable<Part>;
  /** To be called when the answer has ended, however it did. */
  end(): void;
}

/**
 * The same parts in the same order, but parts out of one block share one read of it: neighbours in a file, ranges of a
 * multipart answer, small files of an archive. Platforms bill requests to the store, and limit them.
 *
 * @param replay the parts, to be gone through twice: ahead to plan, and to be opened
 * @param held memory that all answers share
 */
export function shareReads(
  replay: () => Iterable<Part>,
  held: Pick<HeldReservation, 'available' | 'set' | 'release'> = heldBudget.reserve(),
): SharedReads {
  const ahead = replay()[Symbol.iterator]();
  const reads = new Set<SharedRead>();
  const turn = takeTurns(PARTS_PER_TURN);
  let columns = newColumns();
  let plan: ReadPlan = { count: 0, reads: [], readOf: new Int32Array(0), heldBytes: 0 };
  let shared: SharedRead[] = [];
  let planned = 0;
  /** Read ahead, but not planned yet. */
  let peeked: Segment | null = null;

  async function nextSegment(): Promise<Segment | null> {
    if (peeked !== null) {
      const segment = peeked;
      peeked = null;
      return segment;
    }
    for (let next = ahead.next(); next.done !== true; next = ahead.next()) {
      const wait = turn();
      if (wait !== undefined) await wait;
      if (!(next.value instanceof Uint8Array) && next.value.segment !== undefined) return next.value.segment;
    }
    return null;
  }

  async function planNext(): Promise<void> {
    planned += plan.count;
    // One that did not fit into memory: the next will not be much larger.
    const isCut = plan.count > 0 && plan.count < columns.blocks.length;
    columns = columnsAfter(columns, plan.count);
    const used = [...reads].reduce((sum, read) => sum + read.heldBytes, 0);
    const free = held.available() - used;
    const most = Math.min(
      MAX_WINDOW_SEGMENTS,
      Math.max(MIN_WINDOW_SEGMENTS, Math.floor(free / (SEGMENT_BYTES + READ_BYTES / 2))),
    );
    let bytes = columns.lengths.reduce((sum, length) => sum + length, 0);
    while (columns.blocks.length < most) {
      const segment = await nextSegment();
      if (segment === null) break;
      // No window ends within a block that goes on: it would be read twice.
      if (bytes >= WINDOW_BYTES && segment.block !== columns.blocks.at(-1)) {
        peeked = segment;
        break;
      }
      addSegment(columns, segment);
      bytes += segment.length;
    }
    const ofColumns = columns.blocks.length * SEGMENT_BYTES;
    plan = planReads(columns, Math.max(LEAST_HELD_BYTES, free - ofColumns), isCut ? 2 * plan.count : undefined);
    const { source } = columns;
    const chunkBytes = free < SHORT_BELOW_BYTES ? SHORT_CHUNK_BYTES : CHUNK_BYTES;
    shared = source === null ? [] : plan.reads.map((read) => sharedRead(source, read, chunkBytes));
    const streamed = plan.reads.filter((read) => read.held === null);
    const ofStreams = streamed
      .slice(0, OPEN_STREAMS)
      .reduce((sum, { length }) => sum + Math.min(length, chunkBytes), 0);
    for (const read of shared) reads.add(read);
    held.set(used + ofColumns + ofStreams + shared.reduce((sum, read) => sum + read.heldBytes, 0));
  }

  async function open(part: LazyPart, number: number, signal: AbortSignal): Promise<OpenPart> {
    if (number >= planned + plan.count) await planNext();
    const read = shared[plan.readOf[number - planned] ?? -1];
    if (read === undefined || part.segment === undefined) return part.open(signal);
    const opened = await read.slice(part.segment, signal);
    if (read.isSpent()) reads.delete(read);
    return opened;
  }

  function* parts(): Generator<Part> {
    let number = 0;
    for (const part of replay()) {
      if (part instanceof Uint8Array || part.segment === undefined) {
        yield part;
        continue;
      }
      const place = number++;
      yield { length: part.length, open: (signal) => open(part, place, signal) };
    }
  }

  return {
    parts: parts(),
    end() {
      held.release();
      for (const read of reads) read.end();
      reads.clear();
    },
  };
}

/** One read of a block while it serves its segments. */
interface SharedRead {
  /** Of its segments, and what it takes itself. */
  readonly heldBytes: number;
  /** What the segment makes of its bytes. The turns come in the order of the answer, one after another. */
  slice(segment: Segment, signal: AbortSignal): Promise<OpenPart>;
  /** Whether all segments have been opened. */
  isSpent(): boolean;
  end(): void;
}

function sharedRead(source: SegmentSource, planned: PlannedRead, chunkBytes: number): SharedRead {
  const { block, offset, length, held } = planned;
  const open = async (signal: AbortSignal) =>
    segmentReader(await source.open(block, { offset, length }, signal), length, chunkBytes);
  return held === null ? streamedRead(open, planned) : heldRead(open, planned, held);
}

const asItIs = (bytes: OpenPart): OpenPart => bytes;

const copying =
  (bytes: Uint8Array): Fill =>
  async (memory) => {
    if (bytes.byteLength !== memory.byteLength) throw new KeepError('corrupt');
    memory.set(bytes);
    return memory;
  };

type OpenReader = (signal: AbortSignal) => Promise<SegmentReader>;

/** Segments are cut from the stream as it flows. */
function streamedRead(open: OpenReader, { offset, segments }: PlannedRead): SharedRead {
  let reader: SegmentReader | null = null;
  let position = offset;
  let left = segments;
  /** A segment that is piped must be through before the next one can be read. */
  let piped: Promise<void> = Promise.resolve();
  const end = () => void reader?.cancel('no longer needed').catch(() => undefined);
  return {
    heldBytes: READ_BYTES,
    async slice({ offset: start, length, read, through = asItIs }, signal) {
      await piped;
      reader ??= await open(signal);
      const current = reader;
      await current.skip(start - position);
      position = start + length;
      left--;
      if (read !== undefined) {
        const made = await read(current.fill);
        if (left === 0) end();
        return made;
      }
      if (length <= INLINE_BYTES) {
        const bytes = await current.take(length);
        if (left === 0) end();
        return through(bytes);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      piped = promise;
      return through({
        async pipeTo(to, options) {
          const writer = to.getWriter();
          try {
            for (let rest = length; rest > 0; ) {
              options.signal.throwIfAborted();
              const bytes = await current.some(rest);
              rest -= bytes.byteLength;
              await writer.write(bytes);
            }
          } catch (error) {
            await current.cancel(error).catch(() => undefined);
            throw error;
          } finally {
            resolve();
            writer.releaseLock();
          }
          if (left === 0) end();
        },
        async cancel(reason) {
          resolve();
          await current.cancel(reason).catch(() => undefined);
        },
      });
    },
    isSpent: () => left === 0,
    end,
  };
}

/** All segments are read at once and held until the last of them has been handed over. */
function heldRead(open: OpenReader, { offset, segments }: PlannedRead, ranges: Float64Array): SharedRead {
  let contents: Uint8Array | null = null;
  /** Where each range begins in the contents. */
  const starts = new Float64Array(ranges.length / 2);
  let left = segments;
  /** In one buffer: each of its own would take more than the bytes of a short range. */
  async function load(signal: AbortSignal): Promise<Uint8Array> {
    const reader = await open(signal);
    const loaded = new Uint8Array(bytesOf(ranges));
    let filled = 0;
    let position = offset;
    try {
      for (let i = 0; i < ranges.length; i += 2) {
        const [start = 0, end = 0] = [ranges[i], ranges[i + 1]];
        await reader.skip(start - position);
        starts[i / 2] = filled;
        for (const until = filled + end - start; filled < until; ) {
          const bytes = await reader.some(until - filled);
          loaded.set(bytes, filled);
          filled += bytes.byteLength;
        }
        position = end;
      }
    } catch (error) {
      await reader.cancel(error).catch(() => undefined);
      throw error;
    }
    return loaded;
  }
  return {
    heldBytes: READ_BYTES + bytesOf(ranges),
    async slice({ offset: start, length, read, through = asItIs }, signal) {
      contents ??= await load(signal);
      const place = placeOf(ranges, start);
      const from = (starts[place] ?? 0) + start - (ranges[2 * place] ?? 0);
      const bytes = contents.subarray(from, from + length);
      if (--left === 0) contents = null;
      return read === undefined ? through(bytes) : read(copying(bytes));
    },
    isSpent: () => left === 0,
    end() {
      contents = null;
    },
  };
}

/** The range that holds an offset: the last one that does not begin after it. */
function placeOf(ranges: Float64Array, offset: number): number {
  let [low, high] = [0, ranges.length / 2 - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((ranges[2 * middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
