import { expect, test } from 'vitest';
import { planFiles, refuseNames } from '../../../src/cli/get/fetch-plan.ts';

const ON_NO_SYSTEM = ['..', 'a/../b', './a', 'a//b', '', 'a\0b'];
const NOT_ON_WINDOWS = [
  '..\\..\\evil',
  'a\\b',
  'C:evil',
  'file:stream',
  'a/NUL',
  'con.txt',
  'COM1',
  'lpt¹.log',
  'ends with a dot.',
  'ends with a space ',
  'wild*card',
  'line\nbreak',
];

test('names that lead out of the destination, or that no system has, are refused everywhere', () => {
  for (const platform of ['linux', 'darwin', 'win32'])
    for (const name of ON_NO_SYSTEM) expect(() => refuseNames([name], platform), name).toThrow('cannot have');
});

test('names that Windows would take for other paths, devices or streams are refused there, and fine elsewhere', () => {
  for (const name of NOT_ON_WINDOWS) {
    expect(() => refuseNames([`fine/${name}`], 'win32'), name).toThrow('cannot have');
    refuseNames([`fine/${name}`], 'linux');
  }
  refuseNames(['console.txt', 'a.b/ünïcödé', '.hidden', 'com10'], 'win32');
});

test('the refused names are told in a form that is safe to show', () => {
  expect(() => refuseNames(['\x1b[31m\\x'], 'win32')).toThrow('"\\u001b[31m\\\\x"');
});

test('nothing is planned for a block that is larger than any: a few of them are held', () => {
  const blockSize = 64 * 1024 * 1024 + 1;
  const segments = [{ locator: `${'0'.repeat(32)}+${blockSize}`, blockSize, offset: 0, length: 1 }];
  const planned = () =>
    planFiles([{ path: 'a', file: { kind: 'file', segments } }], { root: '/data', sourceOf: (name) => name });
  expect(planned).toThrow('names a block');
});

test('nothing is planned for a collection with such a name', () => {
  const file = { kind: 'file' as const, segments: [] };
  expect(() =>
    planFiles(
      [
        { path: 'good', file },
        { path: '../bad', file },
      ],
      { root: '/data', sourceOf: (name) => name },
    ),
  ).toThrow('../bad');
});
