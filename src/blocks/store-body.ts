import { KeepError } from '../keep/errors.ts';
import { MAX_BLOCK_BYTES } from '../keep/limits.ts';
import { blockBodies, tryHold } from '../streams/body-budgets.ts';
import { createMd5, md5OfStream } from '../streams/md5-stream.ts';
import { SMALL_BLOCK_BYTES } from '../streams/verify.ts';
import {
  type BodyBlock,
  type BodyDestination,
  type HeldBlock,
  nowhereAside,
  storeBytes,
  stored,
} from './body-blocks.ts';
import { type ByteSource, byteSource } from './byte-source.ts';
import { gatherBlock } from './gather-block.ts';
import { type AsideStore, UNNAMED } from './name-block.ts';

export interface BodyFacts {
  /** Bytes; null when the client did not say. */
  length: number | null;
  /** Whether the runtime knows the stream's length, as with a request's body that has a Content-Length. */
  isNative: boolean;
  /** Lowercase hex MD5 that the client says the whole body has. */
  md5?: string | undefined;
}

/**
 * Cuts a body of any length into blocks and stores them. Nothing larger than a small block, or a part of a body of
 * unknown length, is held in memory: a body is set aside in the bucket while it is hashed, and brought under its name
 * then. A body of one block whose MD5 is known goes straight to its name.
 * @throws KeepError body_mismatch when the body has another length or MD5 than it was announced with; client_gone;
 *   length_required when there is nowhere to set it aside; unavailable when too many bodies of unknown length are under way
 */
export async function storeBody(
  body: ReadableStream<Uint8Array>,
  { length, isNative, md5 }: BodyFacts,
  to: BodyDestination,
): Promise<BodyBlock[]> {
  if (isNative && length !== null && length > 0 && length <= MAX_BLOCK_BYTES) {
    if (md5 !== undefined) return [await stored(to, md5, length, body)];
    if (length > SMALL_BLOCK_BYTES)
      return [await storeAside(to, length, (store, key) => store.put(key, body, { size: length }))];
  }
  const digest = md5 === undefined ? null : createMd5();
  const source = byteSource(body, digest);
  try {
    const blocks = await cut(source, length, to);
    if (digest !== null && (await digest.hex()) !== md5) throw new KeepError('body_mismatch');
    return blocks;
  } catch (error) {
    await source.cancel(error);
    await digest?.abort(error);
    throw error;
  }
}

/**
 * Stores what a source gives.
 * @param finish called once all of it has been taken: throws for a body that is not what it should be
 * @throws KeepError body_mismatch when the source has another length
 */
export async function storeSource(
  source: ByteSource,
  length: number | null,
  to: BodyDestination,
  finish: () => Promise<void>,
): Promise<BodyBlock[]> {
  try {
    const blocks = await cut(source, length, to);
    await finish();
    return blocks;
  } catch (error) {
    await source.cancel(error);
    throw error;
  }
}

/** Reads the next block while the one before is brought under its name. */
async function cut(source: ByteSource, length: number | null, to: BodyDestination): Promise<BodyBlock[]> {
  const blocks: BodyBlock[] = [];
  let naming: Promise<void> = Promise.resolve();
  const name = (work: () => Promise<BodyBlock>) => {
    naming = work().then((block) => void blocks.push(block));
    naming.catch(() => undefined);
  };
  try {
    for (let left = length; left !== 0; ) {
      const held =
        left === null ? await gatherBlock(source, to) : await readBlock(source, Math.min(left, MAX_BLOCK_BYTES), to);
      if (held === null) break;
      await naming;
      name(held.store);
      if (held.isLast === true) break;
      if (left !== null) left -= held.size;
    }
    await naming;
  } catch (error) {
    await naming.catch(() => undefined);
    throw error;
  }
  if (length !== null && (await source.take(1)) !== null) throw new KeepError('body_mismatch');
  return blocks;
}

async function readBlock(source: ByteSource, size: number, to: BodyDestination): Promise<HeldBlock> {
  const held = blockBodies.reserve();
  // While very many are under way, small ones are set aside too.
  if (size <= SMALL_BLOCK_BYTES && (tryHold(held, size) || to.aside === undefined)) {
    const bytes = new Uint8Array(size);
    if ((await source.fill(bytes)) < size) {
      held.release();
      throw new KeepError('body_mismatch');
    }
    return { size, store: () => storeBytes(to, bytes).finally(() => held.release()) };
  }
  const aside = await setAside(to, (store, key) => {
    const pipe = new FixedLengthStream(size);
    const put = store.put(key, pipe.readable, { size });
    const moved = move(source, pipe.writable.getWriter(), size, put);
    return Promise.all([put, moved]).then(([info]) => info);
  });
  return { size, store: () => nameAside(to, aside, size) };
}

async function move(
  source: ByteSource,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  size: number,
  put: Promise<unknown>,
): Promise<void> {
  // A store that fails does not read on: its failure ends the wait.
  const failed = put.then(() => new Promise<never>(() => undefined));
  failed.catch(() => undefined);
  try {
    for (let left = size; left > 0; ) {
      const chunk = await source.take(left);
      if (chunk === null) throw new KeepError('body_mismatch');
      await Promise.race([writer.write(chunk), failed]);
      left -= chunk.byteLength;
    }
    await Promise.race([writer.close(), failed]);
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
    throw error;
  }
}

type Put = (store: NonNullable<AsideStore>, key: string) => Promise<{ md5: string | null } | null>;

interface Aside {
  key: string;
  md5: string | null;
}

async function storeAside(to: BodyDestination, size: number, put: Put): Promise<BodyBlock> {
  return nameAside(to, await setAside(to, put), size);
}

async function setAside({ aside: store }: BodyDestination, put: Put): Promise<Aside> {
  if (store === undefined) throw nowhereAside();
  const key = `${UNNAMED}${crypto.randomUUID()}`;
  try {
    return { key, md5: (await put(store, key))?.md5 ?? null };
  } catch (error) {
    await store.delete([key]).catch(() => undefined);
    throw error;
  }
}

/** Mostly the store has hashed what it was sent; else it is hashed as it is read. */
async function nameAside(to: BodyDestination, { key, md5 }: Aside, size: number): Promise<BodyBlock> {
  const { aside: store } = to;
  if (store === undefined) throw nowhereAside();
  const open = async () => {
    const found = await store.get(key);
    if (found === null) throw new KeepError('unavailable');
    return found.body;
  };
  try {
    const hash = md5 ?? (await md5OfStream(await open()));
    return await stored(to, hash, size, await open());
  } finally {
    await store.delete([key]).catch(() => undefined);
  }
}
