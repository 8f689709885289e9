import { describe, expect, test } from 'vitest';
import { concatenate } from '../../../src/streams/concat.ts';
import type { Part } from '../../../src/streams/part.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const never = new AbortController().signal;

/** A part that notes when it is opened, read and cancelled. */
function recorded(log: string[], name: string, text: string): Part {
  return {
    length: text.length,
    async open() {
      log.push(`open ${name}`);
      return new Response(text).body as ReadableStream<Uint8Array>;
    },
  };
}

/** A part that gives bytes for as long as anyone takes them, or one byte and then nothing, as a store that hangs. */
function endless(log: string[], length: number, hang = false): Part {
  return {
    length,
    async open(signal) {
      log.push('open');
      signal.addEventListener('abort', () => log.push('told to stop'));
      let first = true;
      return new ReadableStream<Uint8Array>({
        pull: (controller) => {
          if (hang && !first) return new Promise(() => undefined);
          first = false;
          controller.enqueue(bytes('x'));
          return undefined;
        },
        cancel: () => {
          log.push('cancelled');
        },
      });
    },
  };
}

describe('a body out of parts', () => {
  test('is all parts in order, bytes and streams mixed, with empty ones between', async () => {
    const log: string[] = [];
    const parts = [
      bytes('a'),
      recorded(log, '1', 'bc'),
      new Uint8Array(0),
      recorded(log, '2', ''),
      recorded(log, '3', 'def'),
      bytes('g'),
    ];
    const { body, done } = concatenate(parts, 7, never);
    expect(await new Response(body).text()).toBe('abcdefg');
    await done;
  });

  test('of no parts is empty', async () => {
    expect(await new Response(concatenate([], 0, never).body).text()).toBe('');
  });

  test('opens one part ahead and no more', async () => {
    const log: string[] = [];
    const { body, done } = concatenate(
      [endless(log, 1e9), recorded(log, '2', 'b'), recorded(log, '3', 'c')],
      1e9 + 2,
      never,
    );
    const reader = body.getReader();
    for (let i = 0; i < 20; i++) await reader.read();
    expect(log).toEqual(['open', 'open 2']);
    await reader.cancel('enough');
    await expect(done).rejects.toBeDefined();
  });

  test('breaks off when a part cannot be opened, and the part before it still arrives', async () => {
    const broken: Part = { length: 3, open: () => Promise.reject(new Error('block lost')) };
    const { body, done } = concatenate([bytes('abc'), broken, bytes('x')], 7, never);
    const reader = body.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('abc');
    await expect(reader.read()).rejects.toThrow('block lost');
    await expect(done).rejects.toThrow('block lost');
  });

  test('breaks off when a part fails while it flows', async () => {
    const failing: Part = {
      length: 6,
      open: async () =>
        new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(bytes('abc')),
          pull: (controller) => controller.error(new Error('store failed')),
        }),
    };
    const { body } = concatenate([failing], 6, never);
    await expect(new Response(body).text()).rejects.toThrow('store failed');
  });

  test('breaks off when the parts are shorter than announced', async () => {
    const { body } = concatenate([bytes('abc')], 4, never);
    await expect(new Response(body).text()).rejects.toThrow();
  });

  test('cancels what is open, also ahead, when the reader goes away', async () => {
    const log: string[] = [];
    const { body, done } = concatenate([endless(log, 1e9), endless(log, 1e9)], 2e9, never);
    const reader = body.getReader();
    await reader.read();
    await reader.cancel('gone');
    await expect(done).rejects.toBeDefined();
    expect(log.sort()).toEqual(['cancelled', 'cancelled', 'open', 'open', 'told to stop', 'told to stop']);
  });

  test('stops at once when the signal aborts, though the store hangs', async () => {
    const log: string[] = [];
    const gone = new AbortController();
    const { body, done } = concatenate([endless(log, 10, true), endless(log, 10)], 20, gone.signal);
    const reader = body.getReader();
    await reader.read();
    gone.abort(new Error('client gone'));
    await expect(done).rejects.toThrow('client gone');
    expect(log).toContain('told to stop');
    expect(log).toContain('cancelled');
  });

  test('opens nothing for a reader who has already gone', async () => {
    const log: string[] = [];
    const { done } = concatenate([endless(log, 10)], 10, AbortSignal.abort(new Error('client gone')));
    await expect(done).rejects.toThrow('client gone');
    expect(log).toEqual([]);
  });
});
