import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pathOfKey, scopeOf } from '../../../src/gateways/object-path.ts';

const pathText = (key: string, size = 1) => {
  const { directory, name } = pathOfKey(key, size);
  return [...directory, name].join('/');
};

describe('the path of an object', () => {
  test.each([
    ['a', 'a'],
    ['a/b c/d', 'a/b c/d'],
    ['a//b', 'a/%2F/b'],
    ['/a', '%2F/a'],
    ['a/', 'a/%2F'],
    ['a/./b', 'a/%2E/b'],
    ['../..', '%2E%2E/%2E%2E'],
    ['line\nbreak', 'line\nbreak'],
    ['a\0b/c\0', 'a%00b/c%00'],
  ])('%j becomes %j', (key, path) => {
    expect(pathText(key)).toBe(path);
  });

  test('an empty object whose key ends in a slash is a directory', () => {
    expect(pathOfKey('a/b/', 0)).toEqual({ directory: ['a', 'b'], name: '' });
  });

  test('never has a component that no path can have', () => {
    const part = fc.constantFrom('', '.', '..', 'a', '/', '//', '%2F', ' ');
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), (parts) => {
        for (const component of pathText(parts.join('/')).split('/')) expect(['', '.', '..']).not.toContain(component);
      }),
    );
  });
});

describe('what a source takes, and leaves of keys', () => {
  test.each([
    ['run/a', '', 'run/a'],
    ['/a', '', '/a'],
    ['run/a', 'run', 'a'],
    ['run/a', 'run/', 'a'],
    ['run//a', 'run', '/a'],
    ['x/run', 'x/run', 'run'],
    ['run/a', 'ru*', 'run/a'],
    ['x/run1/a', 'x/run*', 'run1/a'],
    ['x/run/a', 'x/run*', 'run/a'],
    ['x/run', 'x/run*', 'run'],
    ['a*', 'a**', 'a*'],
  ])('%j is in %j, as %j', (key, source, rest) => {
    const scope = scopeOf(source);
    expect([key.startsWith(scope.listed), scope.includes(key), scope.relative(key)]).toEqual([true, true, rest]);
  });

  test.each([
    ['run10/a', 'run1'],
    ['run.txt', 'run'],
    ['data/run10', 'data/run1'],
  ])('%j is not in %j', (key, source) => {
    expect(scopeOf(source).includes(key)).toBe(false);
  });
});
