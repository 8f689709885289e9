import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isKeepError } from '../../../src/keep/errors.ts';
import {
  bareLocator,
  formatLocator,
  hasLocalSignature,
  keepHints,
  parseLocator,
  remoteHint,
  stripSignature,
  toRemoteLocator,
} from '../../../src/keep/locator.ts';
import vectors from '../../vectors/locators.json' with { type: 'json' };

const SIGNATURE = '0d4d1040e55b93e2d758550ccb702fd8c0340890@7fffffff';
const FOO = vectors.hash;

const hash = fc.stringMatching(/^[0-9a-f]{32}$/);
const hint = fc.stringMatching(/^[A-Za-z@/ ][^+\n]{0,20}$/);
const locator = fc.record({
  hash,
  size: fc.option(fc.nat(), { nil: null }),
  hints: fc.array(hint, { maxLength: 4 }),
});
const nearlyLocator = fc
  .tuple(fc.oneof(hash, fc.string()), fc.array(fc.oneof(fc.string({ unit: 'binary' }), hint, fc.integer().map(String))))
  .map(([head, hints]) => [head, ...hints].join('+'));

test.each(vectors.accepted)('the locator …$tail is read as size $size and hints $hints', ({ tail, size, hints }) => {
  expect(parseLocator(FOO + tail)).toEqual({ hash: FOO, size, hints });
});

test.each(vectors.refused)('%j is refused as invalid_locator', (text) => {
  expect(() => parseLocator(text)).toThrowError(expect.objectContaining({ code: 'invalid_locator', status: 400 }));
});

test('a printed locator reads as the same locator', () => {
  fc.assert(
    fc.property(locator, (value) => {
      expect(parseLocator(formatLocator(value))).toEqual(value);
    }),
  );
});

test('any text is either read, and then survives printing, or refused with a KeepError', () => {
  fc.assert(
    fc.property(fc.oneof(nearlyLocator, fc.string({ unit: 'binary' })), (text) => {
      try {
        const parsed = parseLocator(text);
        expect(parseLocator(formatLocator(parsed))).toEqual(parsed);
      } catch (error) {
        expect(isKeepError(error, 'invalid_locator')).toBe(true);
      }
    }),
  );
});

test('stripping takes away local signatures and nothing else', () => {
  expect(stripSignature(`${FOO}+3+K@xtest+A${SIGNATURE}+Rabcde-${SIGNATURE}+Z`)).toBe(
    `${FOO}+3+K@xtest+Rabcde-${SIGNATURE}+Z`,
  );
  expect(stripSignature(`${FOO}+3`)).toBe(`${FOO}+3`);
});

test('a bare locator keeps hash and size only', () => {
  expect(bareLocator(`${FOO}+3+K@xtest+A${SIGNATURE}`)).toBe(`${FOO}+3`);
  expect(bareLocator(`${FOO}+A${SIGNATURE}`)).toBe(FOO);
  expect(bareLocator(FOO)).toBe(FOO);
});

test('hints are found by their first letter', () => {
  const both = parseLocator(`${FOO}+3+Rabcde-${SIGNATURE}+A${SIGNATURE}+K@xtest+Kplain+K@xtest-bi6l4-000000000000000`);
  expect(hasLocalSignature(both)).toBe(true);
  expect(remoteHint(both)).toBe(`Rabcde-${SIGNATURE}`);
  expect(keepHints(both)).toEqual(['xtest', 'xtest-bi6l4-000000000000000']);
  const none = parseLocator(`${FOO}+3+Z`);
  expect([hasLocalSignature(none), remoteHint(none), keepHints(none)]).toEqual([false, null, []]);
  expect(remoteHint(parseLocator(`${FOO}+3+Rfoo`))).toBe('Rfoo');
});

test('a +R hint becomes the +A hint of the other cluster, and no other signature goes there', () => {
  const { clusterId, locator: remote } = toRemoteLocator(
    parseLocator(`${FOO}+3+Z+Rabcde-${SIGNATURE}+K@xtest+Axyz+Rother-1234`),
  );
  expect(clusterId).toBe('abcde');
  expect(formatLocator(remote)).toBe(`${FOO}+3+Z+A${SIGNATURE}+K@xtest`);
});

test.each(['+3', '+3+Rfoo', '+3+Rabcde-', '+3+Rabcdef-123', '+3+Axyz'])('…%s has no usable remote hint', (tail) => {
  expect(() => toRemoteLocator(parseLocator(FOO + tail))).toThrowError(
    expect.objectContaining({ code: 'invalid_remote_hint' }),
  );
});
