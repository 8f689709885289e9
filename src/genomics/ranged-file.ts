/** A file that is read in ranges, such as a file of a collection. */
export interface RangedFile {
  /** Bytes. */
  size: number;
  /** Exactly `length` bytes; `offset + length` must not exceed the size. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Bytes of a file, `start` included, `end` not. */
export interface FileRange {
  start: number;
  end: number;
}

/** A genomic file or an index that is not what its name says, or breaks a limit of ours. */
export class BadGenomicFile extends Error {
  override name = 'BadGenomicFile';
}

/** As much of a range as the file has. */
export function readUpTo(file: RangedFile, offset: number, length: number): Promise<Uint8Array> {
  return file.read(offset, Math.max(0, Math.min(length, file.size - offset)));
}

/** Ranges in their order, those that touch or overlap joined, empty ones left out. */
export function joinRanges(ranges: readonly FileRange[]): FileRange[] {
  const joined: FileRange[] = [];
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (end <= start) continue;
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else joined.push({ start, end });
  }
  return joined;
}
