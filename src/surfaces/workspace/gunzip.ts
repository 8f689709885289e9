import { blockSizeAt, inflateBlock } from '../../genomics/bgzf.ts';

interface Inflated {
  bytes: Uint8Array;
  /** There is more, or what came next is damaged or cut off. */
  isCut: boolean;
}

/** Written at once: the platform throws away what it has inflated of a write in which gzip ends and other data begins. */
const SLICE = 4096;

/** Inflates gzip, at most `maxBytes` of what it holds: of BGZF all blocks, of other gzip the first member. */
export function gunzipBeginning(bytes: Uint8Array, maxBytes: number): Promise<Inflated> {
  return collected(blockSizeAt(bytes, 0) === null ? member(bytes) : blocks(bytes), maxBytes);
}

async function collected(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Inflated> {
  const all = new Uint8Array(maxBytes);
  let length = 0;
  let isCut = false;
  try {
    for await (const chunk of chunks) {
      const taken = chunk.subarray(0, maxBytes - length);
      all.set(taken, length);
      length += taken.byteLength;
      isCut = taken.byteLength < chunk.byteLength;
      if (isCut) break;
    }
  } catch {
    isCut = true;
  }
  return { bytes: all.subarray(0, length), isCut };
}

async function* blocks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; ) {
    yield await inflateBlock(bytes.subarray(at));
    at += blockSizeAt(bytes, at) ?? bytes.byteLength;
  }
}

async function* member(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const { readable, writable } = new DecompressionStream('gzip');
  const writer = writable.getWriter();
  const write = async () => {
    for (let at = 0; at < bytes.byteLength; at += SLICE)
      await writer.write(bytes.subarray(at, at + SLICE) as Uint8Array<ArrayBuffer>);
    await writer.close();
  };
  const written = write();
  written.catch(() => undefined);
  const reader = readable.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
    await written;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
