import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDuration } from '../../../src/keep/duration.ts';
import { isKeepError } from '../../../src/keep/errors.ts';

test.each([
  ['336h', 1_209_600],
  ['1h30m', 5400],
  ['1.5s', 1.5],
  ['.5m', 30],
  ['1.h', 3600],
  ['250ms', 0.25],
  ['10µs', 1e-5],
  ['10μs', 1e-5],
  ['10us', 1e-5],
  ['5ns', 5e-9],
  ['0', 0],
  ['+0', 0],
  ['-1h', -3600],
  ['+2m', 120],
])('%s is %d seconds', (text, seconds) => {
  expect(parseDuration(text)).toBeCloseTo(seconds, 12);
});

test.each(['', '1', '336', 'h', '.h', '1 h', '1h ', '1d', '1h-30m', '1e3s', 'Infinity', '1h\n'])(
  '%j is refused with a hint',
  (text) => {
    expect(() => parseDuration(text)).toThrowError(/write it like 336h/);
  },
);

test('no text throws anything but a KeepError', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.hms+-]*$/)), (text) => {
      try {
        expect(parseDuration(text)).not.toBeNaN();
      } catch (error) {
        expect(isKeepError(error)).toBe(true);
      }
    }),
  );
});
