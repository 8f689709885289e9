import { describe, expect, test } from 'vitest';
import { md5Hex } from '../../../src/keep/md5.ts';
import { CHUNK_BYTES, type Chunks, chunksOf } from '../../../src/streams/chunks.ts';
import { fanOut, type Sink } from '../../../src/streams/fan-out.ts';
import { drain, verifiedChunks } from '../../../src/streams/verify.ts';

const data = Uint8Array.from({ length: 2 * CHUNK_BYTES + 7 }, (_, i) => (i * 31 + (i >> 8)) % 251);
const hash = md5Hex(data);
const size = data.length;
const source = (bytes: Uint8Array) => chunksOf(new Response(bytes).body as ReadableStream<Uint8Array>);

/** Everything that is given out before the chunks end or break off. */
async function takeAll(chunks: Chunks) {
  let given = 0;
  try {
    for (let chunk = await chunks.next(); chunk !== null; chunk = await chunks.next(chunk)) given += chunk.byteLength;
    return { given, error: null };
  } catch (error) {
    return { given, error };
  }
}

/** A place for a copy that notes what became of it. */
function copy({ required = false, failAfter = Number.POSITIVE_INFINITY } = {}) {
  const seen = { bytes: 0, end: '' };
  const writable = new WritableStream<Uint8Array>({
    write(chunk) {
      seen.bytes += chunk.byteLength;
      if (seen.bytes > failAfter) throw new Error('the copy failed');
    },
    abort() {
      seen.end = 'aborted';
    },
  });
  const sink: Sink = { writable, required, onClosed: () => Object.assign(seen, { end: 'closed' }) };
  return { sink, seen };
}

describe('a block that is verified on its way', () => {
  test('comes out whole with its copies', async () => {
    const { sink, seen } = copy();
    expect(await takeAll(verifiedChunks(source(data), { hash, size }, [sink]))).toEqual({ given: size, error: null });
    expect(seen).toEqual({ bytes: size, end: 'closed' });
  });

  const flipped = data.slice();
  flipped[size - 1] = (flipped[size - 1] ?? 0) ^ 1;
  test.each([
    ['with a wrong bit', flipped, hash],
    ['that ends early', data.subarray(0, size - 1), hash],
    ['that ends early by whole chunks', data.subarray(0, CHUNK_BYTES), hash],
    ['that is too long', new Uint8Array([...data, 0]), hash],
    ['that is too long by whole chunks', new Uint8Array(4 * CHUNK_BYTES), hash],
    ['that is too short, though the store attests the bytes', data.subarray(0, size - 1), null],
    ['that is too long, though the store attests the bytes', new Uint8Array([...data, 0]), null],
  ])('is never complete as one %s, and neither is a copy', async (_, bytes, expected) => {
    const { sink, seen } = copy();
    const { given, error } = await takeAll(verifiedChunks(source(bytes), { hash: expected, size }, [sink]));
    expect(error).toMatchObject({ code: 'corrupt' });
    expect(given).toBeLessThan(size);
    expect(seen.end).toBe('aborted');
  });

  test('is not held up by a copy that fails', async () => {
    const lame = copy({ failAfter: 10 });
    const good = copy();
    const chunks = verifiedChunks(source(data), { hash, size }, [lame.sink, good.sink]);
    expect(await takeAll(chunks)).toEqual({ given: size, error: null });
    expect(good.seen.end).toBe('closed');
    expect(lame.seen.end).toBe('');
  });

  test('breaks off with a copy that is required', async () => {
    const { sink } = copy({ required: true, failAfter: 10 });
    await expect(drain(verifiedChunks(source(data), { hash, size }, [sink]))).rejects.toThrow('the copy failed');
  });

  test('of nothing is proven like any other', async () => {
    const nothing = new Uint8Array(0);
    const good = copy();
    expect(await takeAll(verifiedChunks(source(nothing), { hash: md5Hex(nothing), size: 0 }, [good.sink]))).toEqual({
      given: 0,
      error: null,
    });
    const bad = copy();
    const { error } = await takeAll(verifiedChunks(source(nothing), { hash, size: 0 }, [bad.sink]));
    expect(error).toMatchObject({ code: 'corrupt' });
    expect([good.seen.end, bad.seen.end]).toEqual(['closed', 'aborted']);
  });

  test('that was refused does not end well when it is asked once more', async () => {
    const chunks = verifiedChunks(source(flipped), { hash, size }, []);
    await expect(drain(chunks)).rejects.toMatchObject({ code: 'corrupt' });
    await expect(chunks.next()).rejects.toThrow();
  });

  test('leaves no copy when its reader goes away midway, and a whole one when it goes away at the end', async () => {
    const midway = copy();
    const chunks = verifiedChunks(source(data), { hash, size }, [midway.sink]);
    await chunks.next();
    await chunks.cancel('the reader is gone');
    expect(midway.seen.end).toBe('aborted');
    const whole = copy();
    const all = verifiedChunks(source(data), { hash, size }, [whole.sink]);
    await drain(all);
    await all.cancel('the reader is gone');
    expect(whole.seen).toEqual({ bytes: size, end: 'closed' });
  });

  test('does not wait for a copy to be closed', async () => {
    const { promise: never } = Promise.withResolvers<void>();
    const sink: Sink = { writable: new WritableStream({ close: () => never }), required: false };
    expect(await takeAll(verifiedChunks(source(data), { hash, size }, [sink]))).toEqual({ given: size, error: null });
  });
});

describe('sinks in lockstep', () => {
  const body = () => new Response(data).body as ReadableStream<Uint8Array>;

  test('all get the bytes, but for one that fails, which is aborted', async () => {
    const good = copy();
    const other = copy({ required: true });
    const { promise: failure, reject } = Promise.withResolvers<never>();
    failure.catch(() => undefined);
    reject(new Error('the receiver has failed'));
    const lame = copy();
    await fanOut(body(), [good.sink, other.sink, { ...lame.sink, failure }]);
    expect([good.seen, other.seen]).toEqual(Array(2).fill({ bytes: size, end: 'closed' }));
    expect(lame.seen.end).toBe('aborted');
  });

  test('break off when the last of them has failed, or one that is required', async () => {
    await expect(fanOut(body(), [copy({ failAfter: 10 }).sink])).rejects.toThrow('the copy failed');
    const other = copy();
    const required = copy({ required: true, failAfter: 10 });
    await expect(fanOut(body(), [other.sink, required.sink])).rejects.toThrow('the copy failed');
    expect(other.seen.end).toBe('aborted');
  });
});
