import type { ByteRange } from '../byte-range.ts';
import type { LazyPart, OpenPart, Part, Segment } from '../part.ts';
import {
  descriptorLength,
  directoryHeaderLength,
  type EntrySize,
  end,
  endLength,
  localHeaderLength,
  putDescriptor,
  putDirectoryHeader,
  putLocalHeader,
  recordWriter,
  sizeOfEntry,
  type ZipEntry,
} from './format.ts';

/** Entries in their order, made when they are asked for; an array is one. */
export interface ZipEntries {
  readonly length: number;
  at(entry: number): ZipEntry | undefined;
  /** Of `at(entry)`, where that can be told without making it. */
  sizeOf?(entry: number): EntrySize;
}

/** What an archive asks of the files in it. Files are named by their place in the list of entries. */
export interface ZipFiles {
  /** The parts that make up one range of a file. */
  slice(entry: number, range: ByteRange): Iterable<Part>;
  /** CRC-32 of the whole file: asked when its data has been sent, or was left out because a reader resumes. */
  checksum(entry: number, signal: AbortSignal): Promise<number>;
  /** CRC-32s of the files from `first` to before `end`, whether or not they have been sent. */
  checksums(first: number, end: number, signal: AbortSignal): Promise<Uint32Array>;
  /** Files from `first` on, at most `most`, whose data lies one behind the other; null where it does not. */
  row?(first: number, most: number): FileRow | null;
}

/** Small files that are read, checked and sent together. */
export interface FileRow {
  /** How many files: two or more. */
  count: number;
  /** Where the data of all of them lies. */
  segment: Segment;
  /** The data of all of them, out of the opened segment, and the CRC-32 of each. */
  read(opened: OpenPart): Promise<{ data: Uint8Array; crcs: Uint32Array }>;
}

export interface ZipArchive {
  /** Exact, in bytes. */
  length: number;
  /** The parts of one range of the archive, made as they are needed. */
  slice(range: ByteRange): Iterable<Part>;
}

/** Entries whose places are computed, and whose records of the central directory are made, together. */
const BATCH = 128;
/** Bytes of the archive that files in a row make together: one write and one wait for hundreds of small files. */
const ROW_BYTES = 64 * 1024;

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

/** Lays out an archive of `entries` in their order. @param comment plain text, at most 65,535 bytes in UTF-8 */
export function zipArchive(entries: ZipEntries, comment: string, files: ZipFiles): ZipArchive {
  const commentBytes = new TextEncoder().encode(comment);
  const entryAt = (i: number): ZipEntry => entries.at(i) ?? { name: new Uint8Array(0), size: 0 };
  const sizeOf = (i: number): EntrySize => entries.sizeOf?.(i) ?? sizeOfEntry(entryAt(i));
  const dataLength = (size: EntrySize) => localHeaderLength(size) + size.size + descriptorLength(size);
  const batches = Math.ceil(entries.length / BATCH);
  /** Where the data of each batch begins, and its records from the beginning of the directory. */
  const dataStarts = new Float64Array(batches + 1);
  const recordStarts = new Float64Array(batches + 1);
  for (let batch = 0; batch < batches; batch++) {
    let start = dataStarts[batch] ?? 0;
    let records = recordStarts[batch] ?? 0;
    for (let i = batch * BATCH; i < Math.min(entries.length, (batch + 1) * BATCH); i++) {
      const size = sizeOf(i);
      records += directoryHeaderLength(size, start);
      start += dataLength(size);
    }
    dataStarts[batch + 1] = start;
    recordStarts[batch + 1] = records;
  }
  const directory = {
    entries: entries.length,
    start: dataStarts[batches] ?? 0,
    length: recordStarts[batches] ?? 0,
  };

  function* entrySections(i: number, size: number): Iterable<Section> {
    const nameless = { nameBytes: sizeOf(i).nameBytes, size };
    const headerLength = localHeaderLength(nameless);
    yield fixed(headerLength, async () => {
      const w = recordWriter(headerLength);
      putLocalHeader(w, entryAt(i));
      return w.done();
    });
    yield { length: size, parts: (range) => files.slice(i, range) };
    const length = descriptorLength(nameless);
    yield fixed(length, async (signal) => {
      const w = recordWriter(length);
      putDescriptor(w, nameless, await files.checksum(i, signal));
      return w.done();
    });
  }
  function* entriesFrom(first: number, endEntry: number, begin: number): Iterable<PlacedSection> {
    let start = begin;
    for (let i = first; i < endEntry; i++) {
      for (const section of entrySections(i, sizeOf(i).size)) {
        yield { start, section };
        start += section.length;
      }
    }
  }
  /** How many entries from `first` on fit into ROW_BYTES. */
  function countOfSmall(first: number): number {
    let i = first;
    for (let bytes = 0; i < entries.length; i++) {
      bytes += dataLength(sizeOf(i));
      if (bytes > ROW_BYTES) break;
    }
    return i - first;
  }
  /** Entries whose data is read at once; asked for in part, each is made by itself. */
  function rowSection(first: number, row: FileRow): Section {
    let length = 0;
    for (let i = first; i < first + row.count; i++) length += dataLength(sizeOf(i));
    const make = async (opened: OpenPart) => {
      const { data, crcs } = await row.read(opened);
      const w = recordWriter(length);
      for (let i = 0, at = 0; i < row.count; i++) {
        const entry = entryAt(first + i);
        putLocalHeader(w, entry);
        w.bytes(data.subarray(at, at + entry.size));
        putDescriptor(w, entry, crcs[i] ?? 0);
        at += entry.size;
      }
      return w.done();
    };
    const { segment, count } = row;
    const part: LazyPart = {
      length,
      open: async (signal) => make(await segment.source.open(segment.block, segment, signal)),
      segment: { ...segment, through: make },
    };
    return {
      length,
      parts: (range) => (range.length === length ? [part] : clipped(entriesFrom(first, first + count, 0), range)),
    };
  }
  function batchSection(batch: number): Section {
    const length = (recordStarts[batch + 1] ?? 0) - (recordStarts[batch] ?? 0);
    return fixed(length, async (signal) => {
      const [first, endEntry] = [batch * BATCH, Math.min(entries.length, (batch + 1) * BATCH)];
      const crcs = await files.checksums(first, endEntry, signal);
      const w = recordWriter(length);
      let start = dataStarts[batch] ?? 0;
      for (let i = first; i < endEntry; i++) {
        const entry = entryAt(i);
        putDirectoryHeader(w, entry, start, crcs[i - first] ?? 0);
        start += dataLength(sizeOfEntry(entry));
      }
      return w.done();
    });
  }
  /** All sections from the one that holds `offset` on. */
  function* sectionsFrom(offset: number): Iterable<PlacedSection> {
    const batch = lastNotAfter(dataStarts, offset);
    let start = dataStarts[batch] ?? 0;
    for (let i = batch * BATCH; i < entries.length; ) {
      const length = dataLength(sizeOf(i));
      if (start + length <= offset) {
        start += length;
        i++;
        continue;
      }
      const small = files.row === undefined || length > ROW_BYTES ? 0 : countOfSmall(i);
      const row = small > 1 ? files.row?.(i, small) : null;
      if (row) {
        const section = rowSection(i, row);
        yield { start, section };
        start += section.length;
        i += row.count;
      } else {
        yield* entriesFrom(i, i + 1, start);
        start += length;
        i++;
      }
    }
    for (let b = lastNotAfter(recordStarts, offset - directory.start); b < batches; b++)
      yield { start: directory.start + (recordStarts[b] ?? 0), section: batchSection(b) };
    const endStart = directory.start + directory.length;
    const endSection = fixed(endLength(directory, commentBytes), async () => end(directory, commentBytes));
    yield { start: endStart, section: endSection };
  }
  const slice = (range: ByteRange) => clipped(sectionsFrom(range.offset), range);
  return { length: directory.start + directory.length + endLength(directory, commentBytes), slice };
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

/** A section whose bytes are made when its turn comes. */
function fixed(length: number, make: (signal: AbortSignal) => Promise<Uint8Array>): Section {
  return {
    length,
    parts: (range) => [
      {
        length: range.length,
        open: async (signal) => (await make(signal)).subarray(range.offset, range.offset + range.length),
      },
    ],
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
