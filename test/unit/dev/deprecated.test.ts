import { expect, test } from 'vitest';
import { deprecatedPackages } from '../../../dev/deprecated.ts';

const PACKAGES = {
  '': {},
  'node_modules/direct': { version: '1.0.0' },
  'node_modules/other/node_modules/direct': { version: '2.0.0' },
  'node_modules/sound': { version: '3.0.0' },
  'node_modules/marked': { version: '4.0.0', deprecated: 'use another' },
};

test('a deprecated package is a problem: a direct one, or any that the lock file marks', async () => {
  const asked: string[] = [];
  const { problems, unanswered } = await deprecatedPackages(PACKAGES, ['direct', 'sound'], async (spec) => {
    asked.push(spec);
    return spec === 'sound@3.0.0' ? '' : 'no longer kept';
  });
  expect(asked).toEqual(['direct@1.0.0', 'sound@3.0.0']);
  expect(problems).toEqual(['direct 1.0.0 is deprecated: no longer kept', 'marked 4.0.0 is deprecated: use another']);
  expect(unanswered).toBe(0);
});

test('a registry that does not answer is told apart from a package that is in order', async () => {
  const { problems, unanswered } = await deprecatedPackages(PACKAGES, ['direct'], async () => null);
  expect([problems.length, unanswered]).toEqual([1, 1]);
});
