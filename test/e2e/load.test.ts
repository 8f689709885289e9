import { expect, test } from 'vitest';
import { runLoad } from '../load/mix.ts';
import { startService } from '../support/service.ts';

/** A short look at what `npm run test:load` does for ten minutes. */
const SECONDS = 12;

test('64 clients of all kinds at once are all served, nothing acknowledged is lost, nothing is left running', async () => {
  await using service = await startService({ inspect: true });
  const result = await runLoad(service, { seconds: SECONDS, largeBytes: 4 << 20 });
  expect(result.failures).toEqual([]);
  expect(result.lost).toEqual([]);
  expect(result.memory.worker.peak).toBeGreaterThan(0);
  expect(result.memory.worker.peak).toBeLessThan(128);
  expect(result.leaks).toBe(0);
  expect(result.leftConnections).toBe(0);
  expect(result.verified).toBeGreaterThan(0);
  expect(Object.keys(result.served)).toHaveLength(11);
}, 180_000);
