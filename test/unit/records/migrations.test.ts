import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MIGRATIONS } from '../../../src/records/migrations.ts';

const ROOT = join(import.meta.dirname, '../../..');

test.each([
  ['DB', 'migrations'],
  ['SEARCH', 'migrations-search'],
  ['LOGS_DB', 'migrations-logs'],
] as const)('every migration of %s is in the list that doctor compares a database with', (binding, folder) => {
  expect(MIGRATIONS[binding]).toEqual(readdirSync(join(ROOT, folder)).sort());
});
