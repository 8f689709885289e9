import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { sliceChecked } from '../../../src/blocks/read-range.ts';
import { CHUNK_BYTES, chunksOf } from '../../../src/streams/chunks.ts';
import { concatenate } from '../../../src/streams/concat.ts';
import { pacedBody } from '../../../src/streams/paced-body.ts';
import type { Pipeable } from '../../../src/streams/part.ts';
import { pipeChunks } from '../../../src/streams/pipe-chunks.ts';
import { crc32OfPart, tapCrc32 } from '../../../src/streams/zip/crc32-stream.ts';

const signal = new AbortController().signal;
const data = Uint8Array.from({ length: 3 * CHUNK_BYTES + 7 }, (_, i) => (i * 31 + (i >> 8)) % 251);

/** A body that the runtime would not pipe into another transform stream. */
function pumped(bytes: Uint8Array, failAfter?: number): ReadableStream<Uint8Array> {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  const pump = async () => {
    await writer.write(bytes.subarray(0, failAfter ?? bytes.length));
    if (failAfter === undefined) await writer.close();
    else await writer.abort(new Error('block is corrupt'));
  };
  pump().catch(() => undefined);
  return readable;
}

async function read(part: Pipeable, length: number): Promise<Uint8Array> {
  const { body } = concatenate([{ length, open: async () => part }], length, signal);
  return new Uint8Array(await new Response(body).arrayBuffer());
}

const same = (a: Uint8Array, b: Uint8Array) => a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);

/** One whose chunks are lent, each until the second one after it. */
function paced(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return pacedBody(chunksOf(new Response(bytes).body as ReadableStream<Uint8Array>), bytes.length, signal).body;
}

describe('a body that script moves', () => {
  test('goes through as it is, where the runtime would not pipe it', async () => {
    for (const body of [pumped(data), paced(data)])
      expect(same(await read(pipeChunks(body), data.length), data)).toBe(true);
  });

  test('has its checksum told when it is through, and not when it breaks off', async () => {
    const told: number[] = [];
    expect(
      await read(
        tapCrc32(pumped(data), (crc) => told.push(crc)),
        data.length,
      ),
    ).toEqual(data);
    expect(told).toEqual([crc32(data)]);
    await expect(
      read(
        tapCrc32(pumped(data, 100), (crc) => told.push(crc)),
        data.length,
      ),
    ).rejects.toThrow('block is corrupt');
    expect(told.length).toBe(1);
    expect(await crc32OfPart(pumped(data), signal)).toBe(crc32(data));
    expect(await crc32OfPart(pipeChunks(pumped(data)), signal)).toBe(crc32(data));
    expect(
      await read(
        tapCrc32(pipeChunks(pumped(data)), (crc) => told.push(crc)),
        data.length,
      ),
    ).toEqual(data);
    expect(told).toEqual([crc32(data), crc32(data)]);
  });

  test.each([
    [0, 1],
    [0, data.length],
    [CHUNK_BYTES - 1, 2],
    [CHUNK_BYTES, CHUNK_BYTES],
    [5, 2 * CHUNK_BYTES + 9],
    [data.length - 1, 1],
  ])('is cut to %i+%i', async (offset, length) => {
    for (const body of [pumped(data), paced(data)]) {
      const range = await read(sliceChecked(body, { offset, length }), length);
      expect(same(range, data.slice(offset, offset + length))).toBe(true);
    }
  });

  test('never completes a range of a body that breaks off behind it', async () => {
    await expect(read(sliceChecked(pumped(data, 2 * CHUNK_BYTES), { offset: 0, length: 10 }), 10)).rejects.toThrow(
      'block is corrupt',
    );
  });
});
