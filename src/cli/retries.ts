import { type RetryPolicy, SDK_RETRIES } from '../services/retry.ts';
import type { Given, Option } from './command.ts';

/** The option of commands that talk to a service. */
export const RETRIES: Option = {
  value: 'N',
  help: `how often to try again after a failure\n(${SDK_RETRIES.rounds - 1}: enough for an outage of some minutes)`,
};

export function retryPolicy(given: Given): RetryPolicy {
  return { ...SDK_RETRIES, rounds: 1 + (given.count('retries', 0) ?? SDK_RETRIES.rounds - 1) };
}
