import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createHmacSha1 } from '../../../src/keep/hmac-sha1.ts';

test('one keyed function gives the right code for message after message, of any length and script', () => {
  const lengths = fc.constantFrom(0, 1, 59, 60, 61, 64, 119, 120, 121, 340, 342, 1023, 1025, 3000);
  const message = fc.tuple(lengths, fc.constantFrom('a', 'é', '⛵', '😀')).map(([length, char]) => char.repeat(length));
  fc.assert(
    fc.property(fc.string(), fc.array(fc.oneof(message, fc.string({ unit: 'binary' }))), (key, messages) => {
      const sign = createHmacSha1(key);
      for (const text of messages) {
        expect(sign(text)).toBe(createHmac('sha1', key).update(text).digest('hex'));
      }
    }),
    { numRuns: 30 },
  );
});
