import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeWords, encodeWords } from '../../../src/http/encoded-words.ts';

test('any text survives in headers, which are ASCII with words of 75 characters at most', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constantFrom('=?UTF-8?B?w6k=?=', 'a =?x'));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), (parts) => {
      const value = parts.join('').toWellFormed();
      const encoded = encodeWords(value);
      expect(encoded).toMatch(/^[\x20-\x7e]*$/);
      expect(decodeWords(encoded)).toBe(value);
      if (encoded !== value) for (const word of encoded.split(' ')) expect(word.length).toBeLessThanOrEqual(75);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['plain text, even with =? in it', 'plain text, even with =? in it'],
  ['=?utf-8?q?Gr=C3=BC=C3=9Fe_an?=  =?UTF-8?B?IGFsbGU=?=', 'Grüße an alle'],
  ['before =?UTF-8?Q?=C3=A9?= behind', 'before é behind'],
  ['=?UTF-8?B?/w==?=', '=?UTF-8?B?/w==?='],
  ['=?koi8-r?B?/w==?=', '=?koi8-r?B?/w==?='],
])('%s stands for %s', (encoded, text) => {
  expect(decodeWords(encoded)).toBe(text);
});
