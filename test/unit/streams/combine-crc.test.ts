import { crc32 as nodeCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CrcName, combineCrcs } from '../../../src/streams/combine-crc.ts';

/** Bit by bit: slow, and plainly the definition. */
function crcOf(name: CrcName, bytes: Uint8Array): Uint8Array {
  const [polynomial, width] = {
    crc32: [0xedb88320n, 32n],
    crc32c: [0x82f63b78n, 32n],
    crc64nvme: [0x9a6c9329ac4bc9b5n, 64n],
  }[name] as [bigint, bigint];
  const ones = (1n << width) - 1n;
  let crc = ones;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 0n ? crc >> 1n : (crc >> 1n) ^ polynomial;
  }
  const hex = (crc ^ ones).toString(16).padStart(Number(width / 4n), '0');
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

describe('the checksum of parts together', () => {
  test('has the reference values', () => {
    const digits = new TextEncoder().encode('123456789');
    expect(Buffer.from(crcOf('crc64nvme', digits)).toString('hex')).toBe('ae8b14860a799888');
    expect(Buffer.from(crcOf('crc32c', new TextEncoder().encode('hello'))).toString('base64')).toBe('mnG7TA==');
    expect(Buffer.from(crcOf('crc32', digits)).readUInt32BE()).toBe(nodeCrc32(digits));
  });

  test.each(['crc32', 'crc32c', 'crc64nvme'] as const)('is that of the whole: %s', (name) => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 6 }), (parts) => {
        const combined = combineCrcs(
          name,
          parts.map((part) => ({ crc: crcOf(name, part), length: part.byteLength })),
        );
        expect(combined).toEqual(crcOf(name, Uint8Array.from(parts.flatMap((part) => [...part]))));
      }),
      { numRuns: 200 },
    );
  });

  test('of 10,000 parts of 512 MiB, 5 TB, costs next to nothing', () => {
    const part = { crc: crcOf('crc64nvme', new Uint8Array(3)), length: 512 * 1024 ** 2 };
    expect(combineCrcs('crc64nvme', Array(10_000).fill(part))).toHaveLength(8);
  });
});
