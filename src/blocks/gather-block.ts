import { KeepError } from '../keep/errors.ts';
import { MAX_BLOCK_BYTES } from '../keep/limits.ts';
import { createMd5 } from '../streams/md5-stream.ts';
import { type BodyDestination, type HeldBlock, nowhereAside, storeBytes, stored } from './body-blocks.ts';
import type { ByteSource } from './byte-source.ts';
import { type AsideStore, UNNAMED } from './name-block.ts';

/** What is held in memory of a body of unknown length: a store must be told the length of what it is sent. */
const PART_BYTES = 4 * 1024 * 1024;
/** Bodies of unknown length that one isolate reads at once: their parts take a quarter of its memory. */
const MAX_GATHERING = 8;
/** A request that was cut off without being cleaned up after leaves its entry, which ends after this time. */
const MAX_SILENCE_MS = 120_000;

/** When the bodies that are being read last made progress (Unix milliseconds). */
const gathering = new Map<symbol, number>();

/**
 * The next block of a body whose length is not known: parts of equal size are set aside one by one, and put together
 * once the block is full or the body has ended. What fits into one part is never set aside, and keeps its place until it
 * is stored. Null at the body's end.
 * @throws KeepError unavailable, with Retry-After, when too many are under way
 */
export async function gatherBlock(source: ByteSource, to: BodyDestination): Promise<HeldBlock | null> {
  const slot = takeSlot();
  const parts: string[] = [];
  const digest = createMd5();
  const buffer = new Uint8Array(PART_BYTES);
  let keepsSlot = false;
  try {
    let size = 0;
    while (size < MAX_BLOCK_BYTES) {
      const filled = await source.fill(buffer);
      gathering.set(slot, Date.now());
      if (parts.length === 0 && filled < PART_BYTES) {
        await digest.abort('not needed');
        if (filled === 0) return null;
        const bytes = buffer.slice(0, filled);
        keepsSlot = true;
        return { size: filled, isLast: true, store: () => storeBytes(to, bytes).finally(() => gathering.delete(slot)) };
      }
      if (filled === 0) break;
      const part = buffer.subarray(0, filled);
      parts.push(await setPartAside(to.aside, part));
      await digest.write(part);
      size += filled;
      if (filled < PART_BYTES) break;
    }
    const hash = await digest.hex();
    return { size, store: () => storeParts(to, hash, size, parts) };
  } catch (error) {
    await digest.abort(error);
    await to.aside?.delete(parts).catch(() => undefined);
    throw error;
  } finally {
    if (!keepsSlot) gathering.delete(slot);
  }
}

function takeSlot(): symbol {
  const now = Date.now();
  for (const [slot, at] of gathering) if (now - at > MAX_SILENCE_MS) gathering.delete(slot);
  if (gathering.size >= MAX_GATHERING)
    throw new KeepError('unavailable', {
      message: 'too many uploads without a Content-Length at the same time: try again, or send the length',
      headers: { 'Retry-After': '2' },
    });
  const slot = Symbol('body');
  gathering.set(slot, now);
  return slot;
}

async function setPartAside(store: AsideStore, part: Uint8Array): Promise<string> {
  if (store === undefined) throw nowhereAside();
  const key = `${UNNAMED}${crypto.randomUUID()}`;
  await store.put(key, part, { size: part.byteLength });
  return key;
}

async function storeParts(to: BodyDestination, hash: string, size: number, parts: string[]) {
  const { aside } = to;
  if (aside === undefined) throw nowhereAside();
  const pipe = new FixedLengthStream(size);
  const joining = async () => {
    try {
      for (const key of parts) {
        const part = await aside.get(key);
        if (part === null) throw new KeepError('unavailable');
        await part.body.pipeTo(pipe.writable, { preventClose: true });
      }
      await pipe.writable.close();
    } catch (error) {
      await pipe.writable.abort(error).catch(() => undefined);
      throw error;
    }
  };
  try {
    const joined = joining();
    joined.catch(() => undefined);
    return await stored(to, hash, size, pipe.readable);
  } finally {
    await aside.delete(parts).catch(() => undefined);
  }
}
