import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import {
  compareNames,
  decodeName,
  escapeName,
  isUtf8,
  nameBytes,
  unescapeBytes,
} from '../../../../src/keep/manifest/names.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const read = (text: string, strict: boolean) => {
  const bytes = unescapeBytes(bytesOf(text), strict);
  return bytes && decodeName(bytes);
};

test('exactly the bytes to 0x20, the colon and the backslash are escaped', () => {
  const ascii = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code));
  const escaped = ascii.filter((char) => escapeName(char) !== char);
  expect(escaped).toEqual(ascii.filter((char) => char <= ' ' || char === ':' || char === '\\'));
  expect(escapeName('a b:c\\d\n⛵😀\x7f')).toBe('a\\040b\\072c\\134d\\012⛵😀\x7f');
});

test('what is escaped reads as what it was, by both sets of rules', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array().map(decodeName)), (name) => {
      expect(isUtf8(bytesOf(escapeName(name)))).toBe(true);
      expect(read(escapeName(name), true)).toBe(name.isWellFormed() ? name : decodeName(nameBytes(name)));
      expect(read(escapeName(name), false)).toBe(read(escapeName(name), true));
    }),
  );
});

test('no byte of a name is lost, UTF-8 or not', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(nameBytes(decodeName(bytes))).toEqual(bytes);
    }),
    { numRuns: 1000 },
  );
  expect(decodeName(Uint8Array.of(0x61, 0xff, 0xc3, 0xa9, 0xed, 0xa0, 0x80, 0xf0, 0x9f))).toBe(
    'a\udcffé\udced\udca0\udc80\udcf0\udc9f',
  );
});

/** Bytes that are nearly UTF-8: whole sequences, cut ones, overlong ones, surrogates, and single bytes. */
const nearlyUtf8 = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 2 }).map((text) => [...bytesOf(text)]),
      fc.constantFrom(
        [0xc0, 0x80],
        [0xe0, 0x80, 0x80],
        [0xed, 0xa0, 0x80],
        [0xf0, 0x8f, 0xbf, 0xbf],
        [0xf4, 0x90, 0x80],
      ),
      fc.constantFrom([0xe2, 0x9b], [0xf0, 0x9f, 0x98], [0xef, 0xbf, 0xbd], [0xef, 0xbb, 0xbf], [0xff], [0x80], [0xc2]),
    ),
  )
  .map((parts) => Uint8Array.from(parts.flat()));

test('the platform and the decoder agree on what is UTF-8, and every name comes back byte for byte', () => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  fc.assert(
    fc.property(nearlyUtf8, (bytes) => {
      const name = decodeName(bytes);
      expect(nameBytes(name)).toEqual(bytes);
      expect(isUtf8(bytes)).toBe(name.isWellFormed());
      if (isUtf8(bytes)) expect(name).toBe(strict.decode(bytes));
      else expect(() => strict.decode(bytes)).toThrow();
    }),
    { numRuns: 2000 },
  );
});

test('a megabyte that is not UTF-8 is decoded, encoded and compared without a throw for each byte', () => {
  const bytes = new Uint8Array(1_000_000).fill(0xdc);
  const thrown = vi.spyOn(TextDecoder.prototype, 'decode');
  const name = decodeName(bytes);
  expect(thrown).toHaveBeenCalledTimes(1);
  thrown.mockRestore();
  expect(name).toHaveLength(bytes.length);
  expect(Buffer.compare(nameBytes(name), bytes)).toBe(0);
  expect(compareNames(`${name}a`, `${name}b`)).toBeLessThan(0);
});

test('names are ordered by their UTF-8 bytes', () => {
  expect(['😀', 'Ａ', 'b', 'a', 'ab', ''].sort(compareNames)).toEqual(['', 'a', 'ab', 'b', 'Ａ', '😀']);
  const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 4 }), fc.uint8Array({ maxLength: 4 }).map(decodeName));
  fc.assert(
    fc.property(name, name, (a, b) => {
      expect(Math.sign(compareNames(a, b))).toBe(Math.sign(Buffer.compare(nameBytes(a), nameBytes(b))));
    }),
    { numRuns: 1000 },
  );
});
