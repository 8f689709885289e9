import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { combineCrc32, crc32 } from '../../../../src/streams/zip/crc32.ts';

describe('crc32', () => {
  test('gives the check value of the algorithm', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  test('agrees with zlib, whole and put together from two halves', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
        expect(crc32(a)).toBe(zlibCrc32(a));
        expect(combineCrc32(crc32(a), crc32(b), b.length)).toBe(zlibCrc32(b, zlibCrc32(a)));
      }),
    );
  });

  test('puts halves together over lengths beyond 32 bits', () => {
    // 2^33 zero bytes one way, and as two times 2^32 another way.
    const zeros = (power: number): number => {
      let crc = crc32(new Uint8Array(1));
      for (let i = 0; i < power; i++) crc = combineCrc32(crc, crc, 2 ** i);
      return crc;
    };
    const a = crc32(new TextEncoder().encode('keep'));
    expect(combineCrc32(a, zeros(33), 2 ** 33)).toBe(
      combineCrc32(combineCrc32(a, zeros(32), 2 ** 32), zeros(32), 2 ** 32),
    );
  });
});
