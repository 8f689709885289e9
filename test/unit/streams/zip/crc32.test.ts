import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { combineCrc32 } from '../../../../src/streams/zip/crc32.ts';

describe('CRC-32s', () => {
  test('of two halves make that of the whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
        expect(combineCrc32(crc32(a), crc32(b), b.length)).toBe(crc32(b, crc32(a)));
      }),
    );
  });

  test('are put together over lengths beyond 32 bits', () => {
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
