import { expect, test } from 'vitest';
import { createProofs } from '../../../src/services/proofs.ts';

const HASH = 'acbd18db4cc2f85cedef654fccc4a4d8';
const signed = (expiry: string, digit = '0') => `${HASH}+3+A${digit.repeat(40)}@${expiry}`;

test('a proof holds for one token and one signature, until that expires', () => {
  const proofs = createProofs(10);
  proofs.remember('t', signed('00000064'));
  expect(proofs.has('t', signed('00000064'), 99)).toBe(true);
  expect(proofs.has('t', signed('00000064'), 100)).toBe(false);
  expect(proofs.has('u', signed('00000064'), 1)).toBe(false);
  expect(proofs.has('t', signed('00000064', '1'), 1)).toBe(false);
});

test.each([`${HASH}+3`, `${HASH}+3+A12@00000064`, `${signed('00000064')}${signed('00000065').slice(HASH.length + 2)}`])(
  'nothing is remembered for %s: nobody knows how long it would hold',
  (locator) => {
    const proofs = createProofs(10);
    proofs.remember('t', locator);
    expect(proofs.has('t', locator, 0)).toBe(false);
  },
);

test('the oldest proofs go first', () => {
  const proofs = createProofs(2);
  for (const digit of ['1', '2', '3']) proofs.remember('t', signed('00000064', digit));
  expect(['1', '2', '3'].map((digit) => proofs.has('t', signed('00000064', digit), 0))).toEqual([false, true, true]);
});
