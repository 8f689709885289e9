import { type ByteRange, contentRange } from './byte-range.ts';
import type { Part } from './part.ts';

export interface MultipartRanges {
  /** For the Content-Type: `multipart/byteranges; boundary=...`. */
  contentType: string;
  /** Exact length of all parts in bytes. */
  length: number;
  /** May be gone through more than once. */
  parts: Iterable<Part>;
}

/**
 * The body of a 206 with several ranges (RFC 9110 14.6): each range between boundaries, with its own Content-Range
 * and the file's type.
 *
 * @param boundary text that occurs in none of the ranges: 60 random hex digits
 * @param slice the parts that make up one range of the file
 */
export function multipartRanges(
  ranges: ByteRange[],
  { size, type, boundary }: { size: number; type: string; boundary: string },
  slice: (range: ByteRange) => Iterable<Part>,
): MultipartRanges {
  const encoder = new TextEncoder();
  const heads = ranges.map((range, i) =>
    encoder.encode(
      `${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Range: ${contentRange(range, size)}\r\nContent-Type: ${type}\r\n\r\n`,
    ),
  );
  const tail = encoder.encode(`\r\n--${boundary}--\r\n`);
  const length = ranges.reduce((sum, range, i) => sum + range.length + (heads[i]?.byteLength ?? 0), tail.byteLength);
  function* parts(): Generator<Part> {
    for (const [i, range] of ranges.entries()) {
      yield heads[i] ?? tail;
      yield* slice(range);
    }
    yield tail;
  }
  return { contentType: `multipart/byteranges; boundary=${boundary}`, length, parts: { [Symbol.iterator]: parts } };
}
