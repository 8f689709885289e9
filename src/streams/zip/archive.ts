import type { ByteRange } from '../byte-range.ts';
import { joinBytes } from '../join-bytes.ts';
import type { Part } from '../part.ts';
import {
  descriptor,
  descriptorLength,
  directoryHeader,
  directoryHeaderLength,
  type EntrySize,
  end,
  endLength,
  localHeader,
  localHeaderLength,
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
  /** Called before the checksums of all files from this one on are asked for, one after another. */
  prepare?(entry: number, signal: AbortSignal): Promise<void>;
}

export interface ZipArchive {
  /** Exact, in bytes. */
  length: number;
  /** The parts of one range of the archive, made as they are needed. */
  slice(range: ByteRange): Iterable<Part>;
}

/** Entries whose places are computed, and whose records of the central directory are made, together. */
const BATCH = 128;

/** One range of the archive that is made in one go. */
interface Section {
  length: number;
  parts(range: ByteRange): Iterable<Part>;
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
    yield fixed(localHeaderLength(nameless), async () => localHeader(entryAt(i)));
    yield { length: size, parts: (range) => files.slice(i, range) };
    yield fixed(descriptorLength(nameless), async (signal) => descriptor({ size }, await files.checksum(i, signal)));
  }
  function batchSection(batch: number): Section {
    const length = (recordStarts[batch + 1] ?? 0) - (recordStarts[batch] ?? 0);
    return fixed(length, async (signal) => {
      const records: Uint8Array[] = [];
      let start = dataStarts[batch] ?? 0;
      for (let i = batch * BATCH; i < Math.min(entries.length, (batch + 1) * BATCH); i++) {
        await files.prepare?.(i, signal);
        const entry = entryAt(i);
        records.push(directoryHeader(entry, start, await files.checksum(i, signal)));
        start += dataLength(sizeOfEntry(entry));
      }
      return joinBytes(records, length);
    });
  }
  /** All sections from the one that holds `offset` on, each with the place where it starts. */
  function* sectionsFrom(offset: number): Iterable<{ start: number; section: Section }> {
    const batch = lastNotAfter(dataStarts, offset);
    let start = dataStarts[batch] ?? 0;
    for (let i = batch * BATCH; i < entries.length; i++) {
      const size = sizeOf(i);
      if (start + dataLength(size) <= offset) {
        start += dataLength(size);
        continue;
      }
      for (const section of entrySections(i, size.size)) {
        yield { start, section };
        start += section.length;
      }
    }
    for (let b = lastNotAfter(recordStarts, offset - directory.start); b < batches; b++)
      yield { start: directory.start + (recordStarts[b] ?? 0), section: batchSection(b) };
    const endStart = directory.start + directory.length;
    const endSection = fixed(endLength(directory, commentBytes), async () => end(directory, commentBytes));
    yield { start: endStart, section: endSection };
  }
  function* slice({ offset, length }: ByteRange): Iterable<Part> {
    const stop = offset + length;
    for (const { start, section } of sectionsFrom(offset)) {
      if (start >= stop) return;
      const from = Math.max(offset - start, 0);
      const to = Math.min(stop - start, section.length);
      if (to > from) yield* section.parts({ offset: from, length: to - from });
    }
  }
  return { length: directory.start + directory.length + endLength(directory, commentBytes), slice };
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
