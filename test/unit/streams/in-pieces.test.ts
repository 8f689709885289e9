import { expect, test } from 'vitest';
import { inPieces } from '../../../src/streams/in-pieces.ts';

const pieces = async (chunks: Uint8Array[], atLeast: number) => {
  const found: Uint8Array[] = [];
  for await (const piece of inPieces(chunks, atLeast)) found.push(piece);
  return found;
};
const numbers = (from: number, count: number) => Uint8Array.from({ length: count }, (_, i) => from + i);

test('bytes that come one by one are put together, each piece in memory of its own', async () => {
  const found = await pieces(
    Array.from({ length: 10 }, (_, i) => numbers(i, 1)),
    4,
  );
  expect(found).toEqual([numbers(0, 4), numbers(4, 4), numbers(8, 2)]);
  expect(found.map(({ buffer }) => buffer.byteLength)).toEqual([4, 4, 2]);
});

test('chunks of any size are whole and in order, and large ones pass as they are', async () => {
  const large = numbers(0, 5);
  const found = await pieces([large, numbers(5, 1), numbers(6, 9), numbers(15, 0), numbers(15, 2)], 4);
  expect(found[0]).toBe(large);
  expect(found.flatMap((piece) => [...piece])).toEqual([...numbers(0, 17)]);
  expect(found.slice(0, -1).every(({ byteLength }) => byteLength >= 4)).toBe(true);
  expect(await pieces([], 4)).toEqual([]);
});
