import { describe, expect, test } from 'vitest';
import { createRowQueue } from '../../../src/records/row-queue.ts';

/** A queue whose time and timers a test moves by hand. */
function setup() {
  const state = { now: 1_000_000, timers: [] as (() => void)[], written: [] as number[][] };
  const queue = createRowQueue<number>({
    write: async (rows) => state.written.push(rows),
    rowsPerWrite: 100,
    sleep: (ms) => (ms === 0 ? Promise.resolve() : new Promise<void>((resolve) => state.timers.push(resolve))),
    now: () => state.now,
  });
  const waiting: Promise<unknown>[] = [];
  const add = (row: number) => queue.add(row, (work) => waiting.push(work));
  return { state, add, waiting };
}

describe('rows that no request waits for', () => {
  test('are written by the first request for all that come meanwhile: one timer, one statement', async () => {
    const { state, add, waiting } = setup();
    for (let row = 0; row < 50; row++) add(row);
    expect([waiting.length, state.timers.length]).toEqual([1, 1]);
    state.timers.pop()?.();
    await Promise.all(waiting);
    expect(state.written).toEqual([Array.from({ length: 50 }, (_, row) => row)]);
    add(50);
    expect(waiting.length).toBe(2);
  });

  test('are written by a later request when the first one was cut off', async () => {
    const { state, add, waiting } = setup();
    add(1);
    // Its timer never fires.
    state.timers.length = 0;
    state.now += 1000;
    add(2);
    state.timers.pop()?.();
    await waiting[1];
    expect(state.written).toEqual([[1, 2]]);
  });
});
