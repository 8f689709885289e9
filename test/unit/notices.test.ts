import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NOTICES, notices } from '../../dev/notices.ts';
import { ROOT } from '../../dev/serve.ts';

test('the licence notices are those of the packages that are bundled: npm run notices renews them', async () => {
  expect(await readFile(join(ROOT, NOTICES), 'utf8')).toBe(await notices());
});

test('the repository has its own licence, the one that package.json names', async () => {
  expect(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).license).toBe('Apache-2.0');
  expect(await readFile(join(ROOT, 'LICENSE'), 'utf8')).toContain('Apache License');
});
