import { expect, test } from 'vitest';
import { createProofs } from '../../../src/services/proofs.ts';

const HASH = 'acbd18db4cc2f85cedef654fccc4a4d8';
const signed = (expiry: string, digit = '0') => `${HASH}+3+A${digit.repeat(40)}@${expiry}`;

test('a proof holds for one token and one signature, until that expires', async () => {
  let seconds = 1;
  const proofs = createProofs(10, () => seconds * 1000);
  await proofs.add('t', signed('00000064'));
  expect(await proofs.has('u', signed('00000064'))).toBe(false);
  expect(await proofs.has('t', signed('00000064', '1'))).toBe(false);
  seconds = 99;
  expect(await proofs.has('t', signed('00000064'))).toBe(true);
  seconds = 100;
  expect(await proofs.has('t', signed('00000064'))).toBe(false);
});

test.each([`${HASH}+3`, `${HASH}+3+A12@00000064`, `${signed('00000064')}${signed('00000065').slice(HASH.length + 2)}`])(
  'no proof is kept for %s: its expiry is unknown',
  async (locator) => {
    const proofs = createProofs(10, () => 0);
    await proofs.add('t', locator);
    expect(await proofs.has('t', locator)).toBe(false);
  },
);

test('the oldest proofs go first', async () => {
  const proofs = createProofs(2, () => 0);
  for (const digit of ['1', '2', '3']) await proofs.add('t', signed('00000064', digit));
  const kept = await Promise.all(['1', '2', '3'].map((digit) => proofs.has('t', signed('00000064', digit))));
  expect(kept).toEqual([false, true, true]);
});
