import { expect, test } from 'vitest';
import { secretStates } from '../../../src/config/secrets.ts';

/** Begins with a digit twice, as one of sixteen does. */
const GOOD = '9986d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const OTHER = '60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752';

test('weak secrets are told by name and reason, and no value is', () => {
  const states = secretStates({
    SYSTEM_ROOT_TOKEN: GOOD,
    MANAGEMENT_TOKEN: GOOD,
    BLOB_SIGNING_KEY: 'tooshort',
    S3_KEY_SECRET: 'r'.repeat(40),
    WEBHOOK_SECRET: 'changeme1changeme1changeme1changeme1',
    ANONYMOUS_USER_TOKEN: 'v2/x/y',
  });
  const of = (wanted: string) => states.find(({ name }) => name === wanted);
  expect(of('SYSTEM_ROOT_TOKEN')).toEqual({ name: 'SYSTEM_ROOT_TOKEN', isSet: true, weakness: null });
  expect(of('MANAGEMENT_TOKEN')?.weakness).toBe('is the same as SYSTEM_ROOT_TOKEN');
  expect(of('BLOB_SIGNING_KEY')?.weakness).toBe('has fewer than 32 characters');
  expect(of('S3_KEY_SECRET')?.weakness).toBe('has fewer than 8 different characters');
  expect(of('WEBHOOK_SECRET')?.weakness).toBe('repeats itself');
  expect(of('BLOB_SIGNING_KEY_PREVIOUS')).toMatchObject({ isSet: false, weakness: null });
  expect(JSON.stringify(states)).not.toMatch(/9986|tooshort|rrr|changeme|v2/);
  expect(
    secretStates({ SYSTEM_ROOT_TOKEN: GOOD, BLOB_SIGNING_KEY: OTHER }).every(({ weakness }) => weakness === null),
  ).toBe(true);
});
