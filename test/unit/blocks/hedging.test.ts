import { describe, expect, test } from 'vitest';
import { createHedging } from '../../../src/blocks/hedging.ts';

describe('how long a mount is waited for', () => {
  test('is a second while little is known, then what 95 of 100 reads took', () => {
    const hedging = createHedging();
    for (let i = 0; i < 19; i++) hedging.observe('a', 200);
    expect(hedging.patience('a')).toBe(1000);
    for (let i = 0; i < 181; i++) hedging.observe('a', i < 11 ? 900 : 100 + i);
    expect(hedging.patience('a')).toBeGreaterThan(250);
    expect(hedging.patience('a')).toBeLessThanOrEqual(900);
    expect(hedging.patience('b')).toBe(1000);
  });

  test('is 50 ms at least, and follows the last 200 reads', () => {
    const hedging = createHedging();
    for (let i = 0; i < 200; i++) hedging.observe('a', 2);
    expect(hedging.patience('a')).toBe(50);
    for (let i = 0; i < 200; i++) hedging.observe('a', 400);
    expect(hedging.patience('a')).toBe(400);
  });
});

describe('second requests', () => {
  test.each([100, 1000, 10_000])('are one in twenty of %d reads at most, when every read is slow', (reads) => {
    const hedging = createHedging();
    let hedged = 0;
    for (let i = 0; i < reads; i++) {
      hedging.countRead();
      while (hedging.mayHedge()) hedged++;
    }
    expect(hedged).toBeLessThanOrEqual(reads * 0.05);
    expect(hedged).toBeGreaterThan(reads * 0.05 - 2);
  });

  test('cannot be saved up in quiet times: no more than ten at once', () => {
    const hedging = createHedging();
    for (let i = 0; i < 100_000; i++) hedging.countRead();
    let hedged = 0;
    while (hedging.mayHedge()) hedged++;
    expect(hedged).toBe(10);
  });
});
