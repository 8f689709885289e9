import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createHmacSha1, hmacSha1Hex } from '../../../src/keep/hmac-sha1.ts';
import { EMPTY_HASH } from '../../../src/keep/limits.ts';
import { md5Hex } from '../../../src/keep/md5.ts';

test('MD5 of texts and of bytes agrees with the platform’s', () => {
  expect(md5Hex('')).toBe(EMPTY_HASH);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const expected = createHash('md5').update(text).digest('hex');
      expect(md5Hex(text)).toBe(expected);
      expect(md5Hex(new TextEncoder().encode(text))).toBe(expected);
    }),
  );
});

test('a prepared HMAC gives the same result message after message', () => {
  const hmac = createHmacSha1('key');
  const messages = fc.array(fc.string({ maxLength: 300 }), { minLength: 1 });
  fc.assert(
    fc.property(messages, (all) => {
      expect(all.map(hmac)).toEqual(all.map((message) => hmacSha1Hex('key', message)));
    }),
  );
});
