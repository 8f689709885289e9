import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LockedPackage } from '../../dev/lock-file.ts';
import { NOTICES, notices } from '../../dev/notices.ts';
import { ROOT } from '../../dev/serve.ts';

const read = async (name: string) => JSON.parse(await readFile(join(ROOT, name), 'utf8'));
const lock: { packages: Record<string, LockedPackage> } = await read('package-lock.json');
const shipped = Object.keys((await read('package.json')).dependencies).map((name) => `node_modules/${name}`);
const installed = await Promise.all(shipped.map(async (path) => (await read(`${path}/package.json`)).version));
const isCurrent = shipped.every((path, i) => lock.packages[path]?.version === installed[i]);

// After a change of the lock file, before the next npm ci, the texts at hand are those of other versions.
test.runIf(isCurrent)(
  'the licence notices are those of the packages that are bundled: npm run notices renews them',
  async () => {
    expect(await readFile(join(ROOT, NOTICES), 'utf8')).toBe(await notices());
  },
);

test('in CI the installed packages are those of the lock file', () => {
  expect(isCurrent || process.env.CI !== 'true').toBe(true);
});

test('the repository has its own licence, the one that package.json names', async () => {
  expect(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).license).toBe('Apache-2.0');
  expect(await readFile(join(ROOT, 'LICENSE'), 'utf8')).toContain('Apache License');
});
