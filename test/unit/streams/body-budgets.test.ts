import { expect, test } from 'vitest';
import { fitChunk, tryHold } from '../../../src/streams/body-budgets.ts';
import { createHeldBudget } from '../../../src/streams/held-budget.ts';

const KIB = 1024;

test('chunks are the smaller the more bodies are under way, and hundreds hold little more than what there is', () => {
  const budget = createHeldBudget(16 * 1024 * KIB);
  const reservations = Array.from({ length: 500 }, () => budget.reserve());
  const sizes = reservations.map((held) => fitChunk(held, 512 * KIB));
  expect([sizes[0], sizes.at(-1)]).toEqual([512 * KIB, 32 * KIB]);
  expect(sizes.every((size, i) => i === 0 || size <= (sizes[i - 1] ?? 0))).toBe(true);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(32 * 1024 * KIB);
});

test('a whole body is held while there is room for it, and a small one in any case', () => {
  const budget = createHeldBudget(1000 * KIB);
  const [first, second, third] = [budget.reserve(), budget.reserve(), budget.reserve()];
  expect(tryHold(first, 900 * KIB)).toBe(true);
  expect(tryHold(second, 101 * KIB)).toBe(false);
  expect(tryHold(second, 100 * KIB)).toBe(true);
  expect(tryHold(third, 33 * KIB)).toBe(false);
  expect(tryHold(third, 32 * KIB)).toBe(true);
  first.release();
  expect(tryHold(third, 900 * KIB)).toBe(true);
});
