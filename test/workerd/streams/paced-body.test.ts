import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Chunks, chunksOf } from '../../../src/streams/chunks.ts';
import { pacedBody } from '../../../src/streams/paced-body.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const noSignal = undefined;
const dataOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7) % 251);
const bodyOf = (bytes: Uint8Array) => new Response(bytes).body as ReadableStream<Uint8Array>;
const same = (a: Uint8Array, b: Uint8Array) => a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);

/** Chunks without a store behind them, which note what was asked of them. */
function recorded(next: (bytes: number) => Promise<Uint8Array | null>) {
  const asked: number[] = [];
  const cancelled: unknown[] = [];
  const chunks: Chunks = {
    next(_spent, bytes = 0) {
      asked.push(bytes);
      return next(bytes);
    },
    async cancel(reason) {
      cancelled.push(reason);
    },
  };
  return { chunks, asked, cancelled };
}

afterEach(() => void vi.useRealTimers());

describe('a body given out at its reader’s pace', () => {
  test('comes out as it went in, also for a reader that looks at a chunk only when it has the next one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 * MIB }),
        fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 20 }),
        async (length, waits) => {
          const data = dataOf(length);
          const { body, done } = pacedBody(chunksOf(bodyOf(data)), length, noSignal);
          const out = new Uint8Array(length);
          let at = 0;
          let held: Uint8Array | null = null;
          const keep = (chunk: Uint8Array | null) => {
            if (chunk !== null) out.set(chunk, at);
            at += chunk?.byteLength ?? 0;
          };
          for await (const chunk of body) {
            const wait = waits[at % waits.length] ?? 0;
            if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
            keep(held);
            held = chunk;
          }
          keep(held);
          await done;
          expect(same(out, data)).toBe(true);
        },
      ),
      { numRuns: 15 },
    );
  });

  test('has the length that was announced, as an answer', async () => {
    const { body } = pacedBody(chunksOf(bodyOf(dataOf(3 * MIB))), 3 * MIB, noSignal);
    expect((await new Response(body).arrayBuffer()).byteLength).toBe(3 * MIB);
  });

  test('reads nothing before it is asked, and then one chunk at a time', async () => {
    const { chunks, asked } = recorded(async (bytes) => new Uint8Array(bytes));
    const { body } = pacedBody(chunks, 64 * MIB, noSignal);
    await scheduler.wait(5);
    expect(asked.length).toBe(0);
    const reader = body.getReader();
    for (const count of [1, 2, 3]) {
      await reader.read();
      await scheduler.wait(5);
      expect(asked.length).toBe(count);
    }
  });

  test('grows its chunks for a quick reader, and makes them small again for one that has become slow', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { chunks, asked } = recorded(async (bytes) => new Uint8Array(bytes));
    const reader = pacedBody(chunks, 64 * MIB, noSignal).body.getReader();
    for (let count = 0; count < 53; count++) await reader.read();
    expect(asked).toEqual([...Array(48).fill(128 * KIB), ...Array(5).fill(MIB)]);
    vi.setSystemTime(Date.now() + 200);
    await reader.read();
    await reader.read();
    expect(asked.slice(-2)).toEqual([128 * KIB, 128 * KIB]);
  });

  test('stays with small chunks for a reader that was never quick', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { chunks, asked } = recorded(async (bytes) => new Uint8Array(bytes));
    const reader = pacedBody(chunks, 64 * MIB, noSignal).body.getReader();
    for (let count = 0; count < 200; count++) {
      await reader.read();
      vi.setSystemTime(Date.now() + 10);
    }
    expect(new Set(asked)).toEqual(new Set([128 * KIB]));
  });

  test('grows its chunks over a store that takes its time for each, but not for one that is slow with large ones', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    let milliseconds = 5;
    const { chunks, asked } = recorded(async (bytes) => {
      vi.setSystemTime(Date.now() + milliseconds);
      return new Uint8Array(bytes);
    });
    const reader = pacedBody(chunks, 64 * MIB, noSignal).body.getReader();
    for (let count = 0; count < 53; count++) await reader.read();
    expect(asked.slice(48)).toEqual(Array(5).fill(MIB));
    milliseconds = 200;
    await reader.read();
    await reader.read();
    expect(asked.slice(-2)).toEqual([MIB, 128 * KIB]);
  });

  test('breaks off when the chunks end early, or fail', async () => {
    const short = pacedBody(chunksOf(bodyOf(dataOf(MIB))), MIB + 1, noSignal);
    await expect(new Response(short.body).arrayBuffer()).rejects.toThrow();
    await expect(short.done).rejects.toMatchObject({ code: 'corrupt' });
    const { chunks, cancelled } = recorded(() => Promise.reject(new Error('the store broke off')));
    const failing = pacedBody(chunks, MIB, noSignal);
    await expect(failing.body.getReader().read()).rejects.toThrow('the store broke off');
    await expect(failing.done).rejects.toThrow('the store broke off');
    expect(cancelled.length).toBe(1);
  });

  test('lets go of its source when the reader cancels', async () => {
    const { chunks, cancelled } = recorded(async (bytes) => new Uint8Array(bytes));
    const { body, done } = pacedBody(chunks, 64 * MIB, noSignal);
    const reader = body.getReader();
    await reader.read();
    await reader.cancel();
    expect(cancelled.length).toBe(1);
    await expect(done).rejects.toMatchObject({ code: 'client_gone' });
  });

  test('lets go of a source that hangs when the client goes away', async () => {
    const { promise: hung, resolve } = Promise.withResolvers<null>();
    const { chunks, cancelled } = recorded(() => hung);
    const cancel = chunks.cancel;
    chunks.cancel = async (reason) => {
      await cancel(reason);
      resolve(null);
    };
    const client = new AbortController();
    const { body, done } = pacedBody(chunks, 64 * MIB, client.signal);
    const read = body.getReader().read();
    client.abort(new Error('the client is gone'));
    await expect(read).rejects.toThrow();
    await expect(done).rejects.toMatchObject({ code: 'client_gone' });
    expect(cancelled.length).toBeGreaterThan(0);
  });

  test('of a client that had gone before it began holds nothing', async () => {
    const { chunks, cancelled } = recorded(async (bytes) => new Uint8Array(bytes));
    const { done } = pacedBody(chunks, 64 * MIB, AbortSignal.abort(new Error('the client is gone')));
    await expect(done).rejects.toMatchObject({ code: 'client_gone' });
    expect(cancelled.length).toBe(1);
  });
});
