import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../dev/serve.ts';

interface LockedPackage {
  optionalDependencies?: Record<string, string>;
  resolved?: string;
}

const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockedPackage>;
};

test('the lock file names the packages of every platform, without which npm ci refuses it', () => {
  const names = new Set(Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, '')));
  const wanted = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  expect(wanted.filter((name) => !names.has(name))).toEqual([]);
});

test('the lock file names no package host: everyone installs from the registry of their own configuration', () => {
  const hosts = Object.values(lock.packages).flatMap(({ resolved }) => (resolved?.startsWith('http') ? resolved : []));
  expect(hosts).toEqual([]);
});
