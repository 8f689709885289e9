import fc from 'fast-check';
import { expect, test } from 'vitest';
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
