import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type LockedPackage, tidy } from '../../dev/lock-file.ts';
import { ROOT } from '../../dev/serve.ts';
import { VERSION } from '../../src/keep/version.ts';

interface Lock {
  version: string;
  packages: Record<string, LockedPackage>;
}

const read = async (name: string) => JSON.parse(await readFile(join(ROOT, name), 'utf8'));
const lock: Lock = await read('package-lock.json');
const own: { version: string; engines: { node: string }; allowScripts: Record<string, boolean> } =
  await read('package.json');

test('the lock file names the packages of every platform, without which npm ci refuses it', () => {
  const names = new Set(Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, '')));
  const wanted = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  expect(wanted.filter((name) => !names.has(name))).toEqual([]);
});

test('the lock file names no package host: everyone installs from the registry of their own configuration', () => {
  const hosts = Object.values(lock.packages).flatMap(({ resolved }) => (resolved?.startsWith('http') ? resolved : []));
  expect(hosts).toEqual([]);
});

test('the lock file asks no engine for a tool, so that npm ci on Node 20 prints no warning: npm run lock takes them out', () => {
  const tidied = structuredClone(lock);
  tidy(tidied.packages);
  expect(lock).toEqual(tidied);
});

test('every package that runs a script when it is installed is approved, and no other', () => {
  const scripted = Object.entries(lock.packages)
    .filter(([, entry]) => (entry as { hasInstallScript?: boolean; optional?: boolean }).hasInstallScript)
    .filter(([path, entry]) => path !== '' && (entry as { optional?: boolean }).optional !== true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  expect([...new Set(scripted)].sort()).toEqual(Object.keys(own.allowScripts).sort());
});

test('one version stands in package.json, the lock file and the code', () => {
  expect([own.version, lock.version, lock.packages['']?.version]).toEqual([VERSION, VERSION, VERSION]);
});
