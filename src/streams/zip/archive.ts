import type { ByteRange } from '../byte-range.ts';
import { type HeldReservation, holdShare } from '../held-budget.ts';
import type { Fill, LazyPart, Part, Segment } from '../part.ts';
import {
  descriptorLength,
  directoryHeaderLength,
  end,
  endLength,
  localHeaderLength,
  putDescriptor,
  putDirectoryHeader,
  putLocalHeader,
  type RecordWriter,
  recordWriter,
  type ZipEntries,
} from './format.ts';

/** What an archive asks of the files in it. Files are named by their place in the list of entries. */
export interface ZipFiles {
  /** The parts that make up one range of a file. */
  slice(entry: number, range: ByteRange): Iterable<Part>;
  /** CRC-32 of the whole file: asked when its data has been sent, or was left out because a reader resumes. */
  checksum(entry: number, signal: AbortSignal): Promise<number>;
  /** CRC-32s of the files from `first` to before `end`, whether or not they have been sent. */
  checksums(first: number, end: number, signal: AbortSignal): Promise<Uint32Array>;
  /**
   * Files from `first` on whose data lies one behind the other in a block; null when these are not two at least.
   * @param fits whether one more belongs to the row: asked for each in turn, up to the first that does not
   */
  row?(first: number, fits: (entry: number) => boolean): FileRow | null;
}

/** Small files that are read, checked and sent together. */
export interface FileRow {
  /** How many files: two or more. */
  count: number;
  /** Where the data of all of them lies; null when they are empty. */
  segment: Segment | null;
  /** Reads that place by itself. */
  open(signal: AbortSignal): Promise<Fill>;
  /** CRC-32 of the row's file in place `i`, whose data begins at `from` in `bytes`. */
  checksum(i: number, bytes: Uint8Array, from: number): number;
}

export interface ZipArchive {
  /** Exact, in bytes. */
  length: number;
  /** The parts of one range of the archive, made as they are needed. */
  slice(range: ByteRange): Iterable<Part>;
}

/** Entries whose places are computed, and whose records of the central directory are made, together. */
const BATCH = 128;
/** Bytes of the archive that files in a row make together at most: one read and one write for many small files. */
const MAX_ROW_BYTES = 512 * 1024;
/** With many archives at once; rows that are this short cost little more than longer ones. */
const MIN_ROW_BYTES = 32 * 1024;
/** Records of the central directory that are made in one go: names of files may have 64 KiB each. */
const MAX_RECORD_BYTES = 256 * 1024;

/** One range of the archive that is made in one go. */
interface Section {
  length: number;
  parts(range: ByteRange): Iterable<Part>;
}

/** A section and the place where it starts. */
interface PlacedSection {
  start: number;
  section: Section;
}

/**
 * Lays out an archive of `entries` in their order.
 * @param comment plain text, at most 65,535 bytes in UTF-8
 * @param rowBytes bytes of one row at most, the same at each call; a slice holds two rows
 */
export function zipArchive(
  entries: ZipEntries,
  comment: string,
  files: ZipFiles,
  rowBytes: () => number = () => MAX_ROW_BYTES,
): ZipArchive {
  const commentBytes = new TextEncoder().encode(comment);
  const headerLengthOf = (i: number) => localHeaderLength(entries.nameBytesOf(i), entries.sizeOf(i));
  const lengthOf = (i: number) => headerLengthOf(i) + entries.sizeOf(i) + descriptorLength(entries.sizeOf(i));
  const batches = Math.ceil(entries.length / BATCH);
  /** Where the data of each batch begins, and its records from the beginning of the directory. */
  const dataStarts = new Float64Array(batches + 1);
  const recordStarts = new Float64Array(batches + 1);
  for (let batch = 0; batch < batches; batch++) {
    let start = dataStarts[batch] ?? 0;
    let records = recordStarts[batch] ?? 0;
    for (let i = batch * BATCH; i < Math.min(entries.length, (batch + 1) * BATCH); i++) {
      records += directoryHeaderLength(entries.nameBytesOf(i), entries.sizeOf(i), start);
      start += lengthOf(i);
    }
    dataStarts[batch + 1] = start;
    recordStarts[batch + 1] = records;
  }
  const directory = {
    entries: entries.length,
    start: dataStarts[batches] ?? 0,
    length: recordStarts[batches] ?? 0,
  };

  function* entrySections(i: number): Iterable<Section> {
    const size = entries.sizeOf(i);
    yield fixed(headerLengthOf(i), async (w) => putLocalHeader(w, entries, i));
    yield { length: size, parts: (range) => files.slice(i, range) };
    yield fixed(descriptorLength(size), async (w, signal) => putDescriptor(w, size, await files.checksum(i, signal)));
  }
  function* entriesFrom(first: number, endEntry: number, begin: number): Iterable<PlacedSection> {
    let start = begin;
    for (let i = first; i < endEntry; i++) {
      for (const section of entrySections(i)) {
        yield { start, section };
        start += section.length;
      }
    }
  }
  /** Entries from `first` on whose data is read at once; null where there are none. */
  function rowSection(first: number, memory: RowMemory): (Section & { count: number }) | null {
    const most = rowBytes();
    let length = 0;
    const row = files.row?.(first, (i) => {
      const more = lengthOf(i);
      if (length + more > most) return false;
      length += more;
      return true;
    });
    if (!row) return null;
    const part = rowPart(first, row, length, memory);
    const { count } = row;
    // Asked for in part, each entry is made by itself.
    const parts = (range: ByteRange) =>
      range.length === length ? [part] : clipped(entriesFrom(first, first + count, 0), range);
    return { count, length, parts };
  }
  function rowPart(
    first: number,
    { count, segment, open, checksum }: FileRow,
    length: number,
    memory: RowMemory,
  ): LazyPart {
    const dataLength = segment?.length ?? 0;
    /** Where the data goes: behind the place of all headers. So each file moves towards the front, none over another. */
    const room = () => new Uint8Array(memory.take(), length - dataLength, dataLength);
    const make = ({ buffer, byteOffset }: Uint8Array<ArrayBuffer>) => {
      const made = new Uint8Array(buffer, 0, length);
      const w = recordWriter(made);
      for (let i = 0, from = byteOffset; i < count; i++) {
        const size = entries.sizeOf(first + i);
        const crc = size === 0 ? 0 : checksum(i, made, from);
        putLocalHeader(w, entries, first + i);
        made.copyWithin(w.at, from, from + size);
        w.at += size;
        putDescriptor(w, size, crc);
        from += size;
      }
      memory.giveBack(buffer);
      return made;
    };
    if (segment === null) return { length, open: async () => make(room()) };
    const read = async (fill: Fill) => make(await fill(room()));
    return { length, open: async (signal) => read(await open(signal)), segment: { ...segment, read } };
  }
  /** Records of the central directory, of a batch or, where they are long, of each entry by itself. */
  function* recordSections(batch: number): Iterable<PlacedSection> {
    const [first, endEntry] = [batch * BATCH, Math.min(entries.length, (batch + 1) * BATCH)];
    const begin = recordStarts[batch] ?? 0;
    const length = (recordStarts[batch + 1] ?? 0) - begin;
    const dataStart = dataStarts[batch] ?? 0;
    if (length <= MAX_RECORD_BYTES) {
      yield { start: directory.start + begin, section: recordSection(first, endEntry, dataStart, length) };
      return;
    }
    let [start, data] = [directory.start + begin, dataStart];
    for (let i = first; i < endEntry; i++) {
      const section = recordSection(
        i,
        i + 1,
        data,
        directoryHeaderLength(entries.nameBytesOf(i), entries.sizeOf(i), data),
      );
      yield { start, section };
      start += section.length;
      data += lengthOf(i);
    }
  }
  /** @param dataStart where the first one's data begins */
  function recordSection(first: number, endEntry: number, dataStart: number, length: number): Section {
    return fixed(length, async (w, signal) => {
      const crcs = await files.checksums(first, endEntry, signal);
      let start = dataStart;
      for (let i = first; i < endEntry; i++) {
        putDirectoryHeader(w, entries, i, { start, crc: crcs[i - first] ?? 0 });
        start += lengthOf(i);
      }
    });
  }
  /** All sections from the one that holds `offset` on. */
  function* sectionsFrom(offset: number): Iterable<PlacedSection> {
    const batch = lastNotAfter(dataStarts, offset);
    const memory = rowMemory(Math.min(rowBytes(), directory.start));
    let start = dataStarts[batch] ?? 0;
    for (let i = batch * BATCH; i < entries.length; ) {
      const length = lengthOf(i);
      const row = start + length <= offset ? null : rowSection(i, memory);
      if (row !== null) yield { start, section: row };
      else if (start + length > offset) yield* entriesFrom(i, i + 1, start);
      start += row?.length ?? length;
      i += row?.count ?? 1;
    }
    for (let b = lastNotAfter(recordStarts, offset - directory.start); b < batches; b++) yield* recordSections(b);
    const endStart = directory.start + directory.length;
    const endSection = fixed(endLength(directory, commentBytes), async (w) => end(w, directory, commentBytes));
    yield { start: endStart, section: endSection };
  }
  const slice = (range: ByteRange) => clipped(sectionsFrom(range.offset), range);
  return { length: directory.start + directory.length + endLength(directory, commentBytes), slice };
}

/** How long the rows of one more archive may be: the more is held already, the shorter. Reserves what they hold. */
export function reserveRows(held: HeldReservation): number {
  return Math.floor(holdShare(held, 2 * MAX_ROW_BYTES, 2 * MIN_ROW_BYTES) / 2);
}

/** The parts of the sections within a range. */
function* clipped(sections: Iterable<PlacedSection>, { offset, length }: ByteRange): Iterable<Part> {
  const stop = offset + length;
  for (const { start, section } of sections) {
    if (start >= stop) return;
    const from = Math.max(offset - start, 0);
    const to = Math.min(stop - start, section.length);
    if (to > from) yield* section.parts({ offset: from, length: to - from });
  }
}

/** A section whose bytes are written when its turn comes. */
function fixed(length: number, write: (w: RecordWriter, signal: AbortSignal) => Promise<void>): Section {
  const open = async (signal: AbortSignal) => {
    const w = recordWriter(new Uint8Array(length));
    await write(w, signal);
    return w.bytes;
  };
  return {
    length,
    parts: ({ offset, length: wanted }) => [
      { length: wanted, open: async (signal) => (await open(signal)).subarray(offset, offset + wanted) },
    ],
  };
}

/** Two buffers in turns: one row is sent while the next one is made. */
interface RowMemory {
  take(): ArrayBuffer;
  giveBack(buffer: ArrayBuffer): void;
}

/** @param most bytes of a row */
function rowMemory(most: number): RowMemory {
  const buffers: ArrayBuffer[] = [];
  return {
    take: () => (buffers.length < 2 ? undefined : buffers.shift()) ?? new ArrayBuffer(most),
    giveBack: (buffer) => void buffers.push(buffer),
  };
}

/** Index of the last value that is not greater than `limit`; 0 when all are. Values ascend. */
function lastNotAfter(values: Float64Array, limit: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((values[middle] ?? 0) <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}
