import { expect, test } from 'vitest';
import { heldBudget } from '../../../../src/streams/held-budget.ts';
import { textStream } from '../../../../src/surfaces/keep-web/text-stream.ts';

const free = () => heldBudget.reserve().available();
const MIB = 2 ** 20;

test('a listing counts what it holds, and lines of megabytes, until it is read or let go', async () => {
  const all = free();
  const lines = () => ['short\n', 'x'.repeat(3 * MIB), 'y'.repeat(MIB)].values();
  const stream = textStream(lines(), 5 * MIB);
  expect(all - free()).toBe(5 * MIB);
  const reader = stream.getReader();
  await reader.read();
  expect(all - free()).toBeGreaterThanOrEqual(5 * MIB);
  await reader.cancel();
  expect(free()).toBe(all);
  expect(await new Response(textStream(lines())).text()).toHaveLength(4 * MIB + 6);
  expect(free()).toBe(all);
});

test('without room a listing is refused, or breaks off at a line of megabytes', async () => {
  const others = heldBudget.reserve();
  others.require(free());
  expect(() => textStream([].values(), MIB)).toThrow(expect.objectContaining({ code: 'unavailable' }));
  expect(await new Response(textStream(['a', 'b'.repeat(100_000)].values())).text()).toHaveLength(100_001);
  await expect(new Response(textStream(['a', 'b'.repeat(MIB)].values())).text()).rejects.toThrow();
  others.release();
});
