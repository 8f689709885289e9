import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contentRange, parseRange } from '../../../src/streams/byte-range.ts';

const whole = 'whole';
const refused = 'unsatisfiable';

/** [header, size, result: kind, or [offset, length] pairs]; see docs/protocol/files.md#ranges. */
const TABLE: [string | null, number, string | [number, number][]][] = [
  [null, 10, whole],
  ['bytes=', 10, whole],
  ['bytes= , ', 10, whole],
  ['bytes=0-2', 10, [[0, 3]]],
  ['bytes=1-4', 10, [[1, 4]]],
  ['bytes= 1-4 ', 10, [[1, 4]]],
  ['bytes=1 - 4', 10, [[1, 4]]],
  ['bytes=0-0', 10, [[0, 1]]],
  ['bytes=9-9', 10, [[9, 1]]],
  ['bytes=0-', 10, [[0, 10]]],
  ['bytes=8-', 10, [[8, 2]]],
  ['bytes=8-99999999999999999999', 10, [[8, 2]]],
  ['bytes=-2', 10, [[8, 2]]],
  ['bytes=-10', 10, [[0, 10]]],
  ['bytes=-99', 10, [[0, 10]]],
  ['bytes=-0', 10, refused],
  ['bytes=10-', 10, refused],
  ['bytes=10-12,20-', 10, refused],
  ['bytes=99999999999999999999-', 10, refused],
  ['bytes=0-5', 0, whole],
  ['bytes=5-', 0, whole],
  ['bytes=-5', 0, whole],
  ['bytes=z-y', 10, refused],
  ['bytes=5-2', 10, refused],
  ['bytes=--5', 10, refused],
  ['bytes=5', 10, refused],
  ['bytes=-', 10, refused],
  ['bytes=+1-2', 10, refused],
  ['bytes=0x1-2', 10, refused],
  ['bytes=1.5-2', 10, refused],
  ['z-y', 10, refused],
  ['lines=1-2', 10, refused],
  ['Bytes=1-2', 10, refused],
  [
    'bytes=0-1,8-9',
    10,
    [
      [0, 2],
      [8, 2],
    ],
  ],
  [
    'bytes=8-9,0-1',
    10,
    [
      [8, 2],
      [0, 2],
    ],
  ],
  ['bytes=0-1,50-60', 10, [[0, 2]]],
  [
    'bytes=0-1, ,-1',
    10,
    [
      [0, 2],
      [9, 1],
    ],
  ],
  ['bytes=0-1,z', 10, refused],
  ['bytes=0-7,2-9', 10, whole],
  [`bytes=${Array.from({ length: 300 }, (_, i) => `${i}-${i}`).join(',')}`, 1000, whole],
];

describe('a Range header', () => {
  test.each(TABLE)('%j over %i bytes', (header, size, expected) => {
    const result = parseRange(header, size);
    expect(result.kind === 'ranges' ? result.ranges.map((r) => [r.offset, r.length]) : result.kind).toEqual(expected);
  });

  test('of any text never yields bytes outside of the file', () => {
    const spec = fc.tuple(fc.nat(30), fc.constantFrom('-', '', ' - ', '--'), fc.nat(30)).map((parts) => parts.join(''));
    const header = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(spec, fc.string()), { maxLength: 5 }).map((a) => `bytes=${a.join(',')}`),
    );
    fc.assert(
      fc.property(header, fc.nat(20), (text, size) => {
        const result = parseRange(text, size);
        if (result.kind !== 'ranges') return true;
        return (
          result.ranges.length > 0 &&
          result.ranges.every((r) => r.length > 0 && r.offset >= 0 && r.offset + r.length <= size)
        );
      }),
    );
  });

  test('is answered with a Content-Range that counts from 0 and includes the last byte', () => {
    expect(contentRange({ offset: 8, length: 2 }, 10)).toBe('bytes 8-9/10');
  });
});
