import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isKeepError } from '../../../../src/keep/errors.ts';
import { decodeName, nameBytes } from '../../../../src/keep/manifest/names.ts';
import { decodeUriName, encodeUriName } from '../../../../src/keep/manifest/uri-names.ts';

test('a name that is not UTF-8 is reached by its percent-encoded bytes, and encoded to them', () => {
  expect(decodeUriName('M%DCller%2Ftxt')).toBe('M\udcdcller/txt');
  expect(encodeUriName('M\udcdcller/txt')).toBe('M%DCller%2Ftxt');
  expect(decodeUriName('%E2%9B%B5 %f0%9f%98%80%F0%9F')).toBe('⛵ 😀\udcf0\udc9f');
});

test('every name survives an address, byte for byte', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = encodeUriName(decodeName(bytes));
      expect(text).toMatch(/^[!'()*\-.0-9A-Z_a-z~%]*$/);
      expect(nameBytes(decodeUriName(text))).toEqual(bytes);
    }),
    { numRuns: 1000 },
  );
});

test('for UTF-8 both do what the platform does', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      expect(encodeUriName(name)).toBe(encodeURIComponent(name));
      expect(decodeUriName(encodeURIComponent(name))).toBe(name);
    }),
  );
});

test.each(['%', 'a%4', '%zz', '%%41', '%E2%9B%'])('%s is not an address', (text) => {
  expect(() => decodeUriName(text)).toThrow(expect.toSatisfy((error) => isKeepError(error, 'bad_request')));
});
