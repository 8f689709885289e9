import { expect, test } from 'vitest';
import { largerChunks } from '../../../src/streams/larger-chunks.ts';

const kept = async (chunks: Uint8Array[], atLeast: number) => {
  const found: Uint8Array[] = [];
  for await (const chunk of largerChunks(chunks, atLeast)) found.push(chunk);
  return found;
};
const numbers = (from: number, count: number) => Uint8Array.from({ length: count }, (_, i) => from + i);

test('bytes that come one by one are put together, each chunk in memory of its own', async () => {
  const found = await kept(
    Array.from({ length: 10 }, (_, i) => numbers(i, 1)),
    4,
  );
  expect(found).toEqual([numbers(0, 4), numbers(4, 4), numbers(8, 2)]);
  expect(found.map(({ buffer }) => buffer.byteLength)).toEqual([4, 4, 2]);
});

test('chunks of any size are whole and in order, and large ones pass as they are', async () => {
  const large = numbers(0, 5);
  const found = await kept([large, numbers(5, 1), numbers(6, 9), numbers(15, 0), numbers(15, 2)], 4);
  expect(found[0]).toBe(large);
  expect(found.flatMap((chunk) => [...chunk])).toEqual([...numbers(0, 17)]);
  expect(found.slice(0, -1).every(({ byteLength }) => byteLength >= 4)).toBe(true);
  expect(await kept([], 4)).toEqual([]);
});
