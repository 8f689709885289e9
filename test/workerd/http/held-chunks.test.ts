import { expect, test } from 'vitest';
import { heldChunks } from '../../../src/http/request-chunks.ts';
import { BodyReader } from '../../../src/surfaces/arvados/request-body.ts';

/** A body that comes byte by byte. */
function slowly(text: string, type = 'text/plain'): Request {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at === bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, ++at));
    },
  });
  return new Request('http://keep.test/', { method: 'POST', body, headers: { 'Content-Type': type } });
}

test('a body that is held is few chunks, however it comes', async () => {
  const sizes: number[] = [];
  for await (const chunk of heldChunks(slowly('a'.repeat(20_000)))) sizes.push(chunk.buffer.byteLength);
  expect(sizes).toEqual([16_384, 3616]);
});

test('a form of the API is read the same byte by byte', async () => {
  const form = 'collection=%7B%22name%22%3A%22n%22%7D&filters=%5B%22a+b%22%5D';
  const reader = new BodyReader(slowly(form, 'application/x-www-form-urlencoded'), 'collection');
  expect(await reader.read()).toMatchObject({ record: { name: 'n' }, parameters: { filters: ['a b'] } });
});
