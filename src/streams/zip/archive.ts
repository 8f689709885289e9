import type { ByteRange } from '../byte-range.ts';
import type { Part } from '../part.ts';
import {
  descriptor,
  descriptorLength,
  directoryHeader,
  directoryHeaderLength,
  end,
  endLength,
  localHeader,
  localHeaderLength,
  type ZipEntry,
} from './format.ts';

/** What an archive asks of the files in it. Files are named by their place in the list of entries. */
export interface ZipFiles {
  /** The parts that make up one range of a file. */
  slice(entry: number, range: ByteRange): Iterable<Part>;
  /** CRC-32 of the whole file: asked when its data has been sent, or was left out because a reader resumes. */
  checksum(entry: number, signal: AbortSignal): Promise<number>;
}

export interface ZipArchive {
  /** Exact, in bytes. */
  length: number;
  /** The parts of one range of the archive, made as they are needed. */
  slice(range: ByteRange): Iterable<Part>;
}

/** Entries whose records of the central directory are made together. */
const DIRECTORY_BATCH = 128;

/** One range of the archive that is made in one go. */
interface Section {
  length: number;
  parts(range: ByteRange): Iterable<Part>;
}

/** Lays out an archive of `entries` in their order. @param comment plain text, at most 65,535 bytes in UTF-8 */
export function zipArchive(entries: ZipEntry[], comment: string, files: ZipFiles): ZipArchive {
  const starts = runningSum(entries, (entry) => localHeaderLength(entry) + entry.size + descriptorLength(entry));
  const dataLength = starts[entries.length] ?? 0;
  const startOf = (i: number) => starts[i] ?? 0;
  const batches = Array.from({ length: Math.ceil(entries.length / DIRECTORY_BATCH) }, (_, i) => i * DIRECTORY_BATCH);
  const batchOf = (first: number) => entries.slice(first, first + DIRECTORY_BATCH);
  const batchStarts = runningSum(batches, (first) =>
    batchOf(first).reduce((sum, entry, i) => sum + directoryHeaderLength(entry, startOf(first + i)), 0),
  );
  const directory = { entries: entries.length, start: dataLength, length: batchStarts[batches.length] ?? 0 };
  const commentBytes = new TextEncoder().encode(comment);

  function* entrySections(i: number, entry: ZipEntry): Iterable<Section> {
    yield fixed(localHeaderLength(entry), async () => localHeader(entry));
    yield { length: entry.size, parts: (range) => files.slice(i, range) };
    yield fixed(descriptorLength(entry), async (signal) => descriptor(entry, await files.checksum(i, signal)));
  }
  function batchSection(first: number, length: number): Section {
    return fixed(length, async (signal) => {
      const records: Uint8Array[] = [];
      for (const [i, entry] of batchOf(first).entries()) {
        const crc = await files.checksum(first + i, signal);
        records.push(directoryHeader(entry, startOf(first + i), crc));
      }
      return join(records, length);
    });
  }
  /** All sections from the one that holds `offset` on, each with the place where it starts. */
  function* sectionsFrom(offset: number): Iterable<{ start: number; section: Section }> {
    for (let i = lastNotAfter(starts, offset); i < entries.length; i++) {
      const entry = entries[i];
      if (entry === undefined) break;
      let start = startOf(i);
      for (const section of entrySections(i, entry)) {
        yield { start, section };
        start += section.length;
      }
    }
    for (let b = lastNotAfter(batchStarts, offset - directory.start); b < batches.length; b++) {
      const start = batchStarts[b] ?? 0;
      const length = (batchStarts[b + 1] ?? 0) - start;
      yield { start: directory.start + start, section: batchSection(b * DIRECTORY_BATCH, length) };
    }
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

/** [0, a, a + b, ...]: one more than there are items. */
function runningSum<T>(items: T[], lengthOf: (item: T) => number): Float64Array {
  const sums = new Float64Array(items.length + 1);
  let sum = 0;
  for (const [i, item] of items.entries()) {
    sum += lengthOf(item);
    sums[i + 1] = sum;
  }
  return sums;
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

function join(records: Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const record of records) {
    all.set(record, at);
    at += record.byteLength;
  }
  return all;
}
