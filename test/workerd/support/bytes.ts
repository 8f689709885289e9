import { md5Hex } from '../../../src/keep/md5.ts';
import { createMd5 } from '../../../src/streams/md5-stream.ts';

export interface TestBlock {
  hash: string;
  data: Uint8Array<ArrayBuffer>;
}

/** A block of pseudo-random bytes; big ones are hashed natively. */
export async function randomBlock(size: number): Promise<TestBlock> {
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(data.subarray(at, at + 65_536));
  return { hash: await md5(data), data };
}

export async function md5(data: Uint8Array): Promise<string> {
  if (data.byteLength < 65_536) return md5Hex(data);
  const digest = createMd5();
  await digest.write(data);
  return digest.hex();
}

/** A copy with one bit turned round: a byte that is set to a value may have had it already. */
export function flipped(data: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  const copy = data.slice();
  copy[at]! ^= 1 << (at % 8);
  return copy;
}

/** A body whose length the runtime knows, as a request's. */
export function bodyOf(data: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new Response(data).body as ReadableStream<Uint8Array>;
}

export async function bytesOf(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(body).arrayBuffer());
}

/** What a reader gets before a body ends or breaks off. */
export async function readUntilBroken(body: ReadableStream<Uint8Array>): Promise<{ bytes: number; error: unknown }> {
  const reader = body.getReader();
  let bytes = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return { bytes, error: null };
      bytes += value.byteLength;
    }
  } catch (error) {
    return { bytes, error };
  }
}
