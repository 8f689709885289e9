import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expiryOf, formatTime, normaliseTime } from '../../../src/records/times.ts';

const STORED = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;

describe('a time of a client', () => {
  test.each([
    ['2025-04-28T19:50:49.093166Z', '2025-04-28T19:50:49.093166000Z'],
    ['2025-04-28T19:50:49Z', '2025-04-28T19:50:49.000000000Z'],
    ['2025-04-28T21:50:49+02:00', '2025-04-28T19:50:49.000000000Z'],
    ['2025-04-28 19:50', '2025-04-28T19:50:00.000000000Z'],
    ['2025-04-28', '2025-04-28T00:00:00.000000000Z'],
    ['9999-12-31', '9999-12-31T00:00:00.000000000Z'],
    ['9999-12-31T23:59:59.999999999Z', '9999-12-31T23:59:59.999999999Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000000Z'],
    ['yesterday', null],
    ['2025-13-01', null],
    ['2025-02-30', null],
    ['2025-04-31T12:00:00Z', null],
    ['', null],
  ])('%s is %s', (text, expected) => {
    expect(normaliseTime(text)).toBe(expected);
  });

  test.each([
    '9999-12-31T23:59:59-01:00',
    '9999-12-31T24:00:00Z',
    '0001-01-01T00:00:00+00:01',
    '0000-01-01',
    '0000-12-31T23:59:59Z',
    '0000-01-01T00:00:00+01:00',
    '10000-01-01',
    '+010000-01-14T00:00:00Z',
    '-000001-01-01T00:00:00Z',
  ])('outside the years 1 to 9999 is none: %s', (text) => {
    expect(normaliseTime(text)).toBeNull();
  });

  test('is stored in one form or refused, whatever date, clock and zone it has', () => {
    const two = fc.integer({ min: 0, max: 99 }).map((n) => String(n).padStart(2, '0'));
    const text = fc
      .tuple(fc.integer({ min: 0, max: 10_000 }), two, two, two, two, two, fc.constantFrom('+', '-'), two, two)
      .map(
        ([year, month, day, h, m, s, sign, zoneH, zoneM]) =>
          `${String(year).padStart(4, '0')}-${month}-${day}T${h}:${m}:${s}${sign}${zoneH}:${zoneM}`,
      );
    fc.assert(fc.property(text, (time) => STORED.test(normaliseTime(time) ?? '2000-01-01T00:00:00.000000000Z')));
  });
});

describe('a computed time', () => {
  test('is written so that the order of texts is the order of times', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.maxSafeInteger(), (a, b) => {
        const [early, late] = [formatTime(Math.min(a, b)), formatTime(Math.max(a, b))];
        expect([early <= late, STORED.test(early), STORED.test(late)]).toEqual([true, true, true]);
        expect(normaliseTime(late)).toBe(late);
      }),
    );
    expect(formatTime(1) < formatTime(2)).toBe(true);
  });

  test('beyond the years 1 to 9999 is the first or the last of them', () => {
    expect(formatTime(Date.parse('9999-12-31') + 14 * 86_400_000)).toBe('9999-12-31T23:59:59.999000000Z');
    expect(formatTime(-1e15)).toBe('0001-01-01T00:00:00.000000000Z');
  });
});

describe('an expiry', () => {
  test('that is no time has passed', () => {
    for (const text of ['', 'soon', '-000001-12-31T23:00.000000000Z', '+010000-01-01T00:59.000000000Z'])
      expect(expiryOf(text), text).toBe(Number.NEGATIVE_INFINITY);
  });

  test('that is missing is none; any other is its time', () => {
    expect([expiryOf(null), expiryOf(undefined)]).toEqual([null, null]);
    expect(expiryOf('1970-01-01T00:00:01.500000000Z')).toBe(1500);
  });
});
