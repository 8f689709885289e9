import { expect, test } from 'vitest';
import { deprecatedPackages } from '../../../dev/deprecated.ts';

const PACKAGES = {
  '': {},
  'node_modules/shipped': { version: '1.0.0' },
  'node_modules/shipped/node_modules/inner': { version: '2.0.0' },
  'node_modules/tool': { version: '3.0.0', dev: true },
  'node_modules/tool-of-tool': { version: '4.0.0', dev: true },
  'node_modules/marked': { version: '5.0.0', dev: true, deprecated: 'use another' },
};

test('a deprecated package is a problem: in the Worker, named in package.json, or marked in the lock file', () => {
  const asked: string[] = [];
  const { problems, unanswered } = deprecatedPackages(PACKAGES, ['shipped', 'tool'], (spec) => {
    asked.push(spec);
    return spec === 'shipped@1.0.0' ? '' : 'no longer kept';
  });
  expect(asked).toEqual(['shipped@1.0.0', 'inner@2.0.0', 'tool@3.0.0']);
  expect(problems).toEqual([
    'inner 2.0.0 is deprecated: no longer kept',
    'tool 3.0.0 is deprecated: no longer kept',
    'marked 5.0.0 is deprecated: use another',
  ]);
  expect(unanswered).toBe(0);
});

test('a registry that does not answer is told apart from a package that is in order', () => {
  expect(deprecatedPackages({ 'node_modules/a': { version: '1.0.0' } }, [], () => null)).toEqual({
    problems: [],
    unanswered: 1,
  });
});
