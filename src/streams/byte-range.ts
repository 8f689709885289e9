/** A range of bytes; `offset + length` never exceeds the whole. */
export interface ByteRange {
  offset: number;
  length: number;
}

export type RangeRequest =
  /** Nothing (usable) was asked: the whole, status 200. */
  | { kind: 'whole' }
  /** Status 206; several mean multipart/byteranges, in the order they were asked. */
  | { kind: 'ranges'; ranges: ByteRange[] }
  /** Status 416. */
  | { kind: 'unsatisfiable' };

/** A header with more ranges than any reader needs is answered with the whole, as RFC 9110 14.2 allows. */
const MAX_RANGES = 256;

const WHOLE: RangeRequest = { kind: 'whole' };
const UNSATISFIABLE: RangeRequest = { kind: 'unsatisfiable' };

/**
 * What a `Range` header asks of `size` bytes, as keep-web answers (docs/protocol/files.md#ranges): a malformed header
 * or another unit is 416, not ignored; ranges that together exceed the whole give the whole. Where keep-web would
 * write an impossible Content-Range (`bytes=-0`, a suffix of nothing), this answers 416 or the whole.
 */
export function parseRange(header: string | null, size: number): RangeRequest {
  if (header === null) return WHOLE;
  if (!header.startsWith('bytes=')) return UNSATISFIABLE;
  const specs = header
    .slice('bytes='.length)
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '');
  if (specs.length === 0) return WHOLE;
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const range = parseSpec(spec, size);
    if (range === 'malformed') return UNSATISFIABLE;
    if (range !== 'outside') ranges.push(range);
  }
  if (size === 0) return WHOLE;
  if (ranges.length === 0) return UNSATISFIABLE;
  const total = ranges.reduce((sum, range) => sum + range.length, 0);
  if (ranges.length > MAX_RANGES || (ranges.length > 1 && total > size)) return WHOLE;
  return { kind: 'ranges', ranges };
}

function parseSpec(spec: string, size: number): ByteRange | 'malformed' | 'outside' {
  const match = /^(\d*)\s*-\s*(\d*)$/.exec(spec);
  if (match === null) return 'malformed';
  const [, first = '', last = ''] = match;
  if (first === '') {
    if (last === '') return 'malformed';
    const length = Math.min(Number(last), size);
    return length === 0 ? 'outside' : { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < offset) return 'malformed';
  return offset >= size ? 'outside' : { offset, length: end - offset + 1 };
}

/** The value of Range that asks for one range, of one byte at least. */
export function rangeHeader({ offset, length }: ByteRange): string {
  return `bytes=${offset}-${offset + length - 1}`;
}

/** The value of Content-Range for one range of `size` bytes. */
export function contentRange({ offset, length }: ByteRange, size: number): string {
  return `bytes ${offset}-${offset + length - 1}/${size}`;
}
