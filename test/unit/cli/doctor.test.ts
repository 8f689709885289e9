import { expect, test } from 'vitest';
import { checkCopies } from '../../../src/cli/commands/doctor-checks.ts';

test('copies of all services count together, and too few come with what to do', () => {
  expect(checkCopies([1, 1], { replication: 2 })).toMatchObject({ state: 'good' });
  expect(checkCopies([1], { replication: 2 })).toMatchObject({
    state: 'bad',
    advice: expect.stringContaining('--replication 1'),
  });
});
