import { describe, expect, test } from 'vitest';
import { brokenS3, failingBindings, killedAtRandom, type ScenarioResult } from '../faults/scenarios.ts';
import { s3IsRequired } from '../support/s3.ts';

/** A short look at what `npm run test:faults` does at length: after every fault, everything acknowledged reads back whole. */
const seed = Number(process.env.FAULTS_SEED ?? Date.now() % 2 ** 31);
const TIMEOUT_MS = 240_000;

function expectNothingLost({ findings, audit, balance, faults, requests }: ScenarioResult) {
  expect(findings, `seed ${seed}`).toEqual([]);
  expect(audit.lost, `seed ${seed}`).toEqual([]);
  expect(audit.blocks).toBeGreaterThan(0);
  expect(Object.keys(faults).length).toBeGreaterThan(0);
  expect(requests).toBeGreaterThan(0);
  expect(balance.lists).toBeGreaterThan(0);
}

test(
  'killed at random points under load, the service loses nothing that it acknowledged',
  async () => expectNothingLost(await killedAtRandom({ seed, rounds: 3, width: 6, roundMs: 1500 })),
  TIMEOUT_MS,
);

test(
  'when R2, D1, KV, Durable Objects and the cache fail or are gone, nothing acknowledged is lost and no error tells a client to give up',
  async () => expectNothingLost(await failingBindings({ seed, rounds: 9, width: 6, roundMs: 500 })),
  TIMEOUT_MS,
);

describe.runIf(s3IsRequired)('an S3 server', () => {
  test(
    'that resets, stalls, fails, lies, truncates and flips bits at random loses nothing that was acknowledged',
    async () => expectNothingLost(await brokenS3({ seed, rounds: 3, width: 6, roundMs: 2500 })),
    TIMEOUT_MS,
  );
});
