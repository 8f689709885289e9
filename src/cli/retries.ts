import { type RetryPolicy, SDK_RETRIES } from '../services/retry.ts';
import type { Given, Option } from './command.ts';

/** The option of commands that move much. */
export const RETRIES: Option = {
  value: 'N',
  help: `how often to ask again when nobody answers\n(${SDK_RETRIES.rounds - 1}: outages of some minutes are sat out)`,
};

export function retryPolicy(given: Given): RetryPolicy {
  return { ...SDK_RETRIES, rounds: 1 + (given.count('retries', 0) ?? SDK_RETRIES.rounds - 1) };
}
