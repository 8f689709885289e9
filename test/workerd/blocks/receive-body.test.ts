import { expect, test } from 'vitest';
import { receiveBody } from '../../../src/blocks/receive-body.ts';

const SIZE = 300_000;

/** `length` bytes in three chunks, then the end or a failure. */
function bodyOf(length: number, failure: Error | null = null): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent === 3) return failure === null ? controller.close() : controller.error(failure);
      const bytes = sent === 2 ? length - 2 * Math.floor(length / 3) : Math.floor(length / 3);
      sent++;
      if (bytes > 0) controller.enqueue(new Uint8Array(bytes));
    },
  });
}

const lengthOf = async (body: ReadableStream<Uint8Array>) => (await new Response(body).arrayBuffer()).byteLength;

test('a sound body reaches the receiver', async () => {
  expect(await receiveBody(bodyOf(SIZE), SIZE, lengthOf)).toEqual({ received: SIZE });
});

test.each([
  ['breaks off', bodyOf(SIZE / 2, new Error('lost'))],
  ['is short', bodyOf(SIZE - 1)],
  ['is long', bodyOf(SIZE + 1)],
])('a body that %s is at fault itself', async (_how, body) => {
  await expect(receiveBody(body, SIZE, lengthOf)).rejects.toThrow();
});

test.each([
  ['before it reads', async () => Promise.reject(new Error('full'))],
  [
    'after some bytes',
    async (body: ReadableStream<Uint8Array>) => {
      const reader = body.getReader();
      await reader.read();
      await reader.cancel(new Error('full'));
      throw new Error('full');
    },
  ],
  [
    'at the end',
    async (body: ReadableStream<Uint8Array>) => {
      await lengthOf(body);
      throw new Error('full');
    },
  ],
])('a receiver that fails %s is told from a bad body', async (_when, receive) => {
  expect(await receiveBody(bodyOf(SIZE), SIZE, receive)).toMatchObject({ failed: { message: 'full' } });
});

test('a body that the receiver does not need is cancelled', async () => {
  let cancelled: (value: boolean) => void = () => undefined;
  const isCancelled = new Promise<boolean>((resolve) => {
    cancelled = resolve;
  });
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(1000)),
    cancel: () => cancelled(true),
  });
  expect(await receiveBody(endless, SIZE, async () => 'there already')).toEqual({ received: 'there already' });
  expect(await isCancelled).toBe(true);
});
