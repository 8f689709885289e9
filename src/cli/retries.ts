import { type RetryPolicy, SDK_RETRIES } from '../services/retry.ts';
import type { Given, Option } from './command.ts';

/** For commands that a person waits for: a service that is down is reported within seconds. */
const QUICK: RetryPolicy = { rounds: 4, firstPauseMs: 500, maxPauseMs: 2_000 };

/** The option of commands that move much data. */
export const RETRIES: Option = {
  value: 'N',
  help: `how often to try again after a failure\n(${SDK_RETRIES.rounds - 1}: enough for an outage of some minutes)`,
};

/** The option of commands that a person waits for. */
export const FEW_RETRIES: Option = {
  value: 'N',
  help: `how often to try again after a failure, with growing\npauses (${QUICK.rounds - 1}, with short ones)`,
};

export function retryPolicy(given: Given): RetryPolicy {
  return { ...SDK_RETRIES, rounds: 1 + (given.count('retries', 0) ?? SDK_RETRIES.rounds - 1) };
}

/** Without --retries, a few tries within seconds. */
export function quickRetryPolicy(given: Given): RetryPolicy {
  return given.text('retries') === undefined ? QUICK : retryPolicy(given);
}
