import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Part of every Debian. */
const BASE = ['script'];

test('every program that a test asks for is installed by install-test-tools', () => {
  const [, list = ''] = /^tools='(.*)'$/m.exec(readFileSync('test/support/install-test-tools', 'utf8')) ?? [];
  const asked = readdirSync('test', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => [
      ...readFileSync(join('test', path), 'utf8').matchAll(/\b(?:hasTool|canMount|tool)\('([^']+)'/g),
    ])
    .map(([, program = '']) => program);
  expect(asked).toContain('lftp');
  const known = new Set([...list.split(' '), ...BASE, 'sh', 'bash', 'md5sum', 'umount']);
  expect(asked.filter((program) => !known.has(program))).toEqual([]);
});
