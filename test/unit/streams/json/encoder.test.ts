import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeJsonText, jsonChunks, TextStream } from '../../../../src/streams/json/encoder.ts';

const text = async (value: unknown) => {
  let result = '';
  const decoder = new TextDecoder();
  for await (const chunk of jsonChunks(value)) result += decoder.decode(chunk, { stream: true });
  return result + decoder.decode();
};

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

test('an escaped text reads back as itself, also when it is cut inside a character', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed()),
      fc.integer({ min: 1, max: 9 }),
      async (value, size) => {
        const bytes = new TextEncoder().encode(value);
        expect(JSON.parse(await text({ a: 1, t: new TextStream(chunksOf(bytes, size)), z: [null] }))).toEqual({
          a: 1,
          t: value,
          z: [null],
        });
      },
    ),
  );
});

test('several texts stand where they belong', async () => {
  const stream = (value: string) => new TextStream(chunksOf(new TextEncoder().encode(value), 2));
  const items = [{ m: stream('one') }, { m: stream('') }, { m: stream('th"ree\n') }];
  expect(JSON.parse(await text({ items }))).toEqual({ items: [{ m: 'one' }, { m: '' }, { m: 'th"ree\n' }] });
});

test('a text that needs no escapes is passed on as it is', () => {
  const bytes = new TextEncoder().encode('plain');
  expect(escapeJsonText(bytes)).toBe(bytes);
});
