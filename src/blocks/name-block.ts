import { KeepError } from '../keep/errors.ts';
import { md5Hex } from '../keep/md5.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { blockBodies, tryHold } from '../streams/body-budgets.ts';
import { chunksOf } from '../streams/chunks.ts';
import { fanOut } from '../streams/fan-out.ts';
import { hexOf } from '../streams/md5-stream.ts';
import { SMALL_BLOCK_BYTES } from '../streams/verify.ts';

/** Prefix of bodies set aside until their hash is known; the emptier deletes those left by a crash. Keepstores ignore such keys. */
export const UNNAMED = 'unnamed/';

export interface NamedBlock {
  hash: string;
  body: ReadableStream<Uint8Array>;
  /** Removes what was set aside; call it when the block is stored or refused. */
  discard: () => Promise<void>;
}

/** Where a block is set aside; undefined when there is no such place. */
export type AsideStore = Pick<ObjectStore, 'put' | 'get' | 'delete'> | undefined;

/**
 * Hashes a block that came without its name. A small one is hashed in memory; a larger one is set aside (in the first
 * writable mount's bucket) while it is hashed, because the name must be known before it can be stored.
 * @throws KeepError `full` when there is nowhere to set it aside
 */
export async function nameBlock(
  store: AsideStore,
  body: ReadableStream<Uint8Array>,
  size: number,
): Promise<NamedBlock> {
  const held = blockBodies.reserve();
  if (size <= SMALL_BLOCK_BYTES && (tryHold(held, size) || store === undefined)) {
    try {
      const bytes = (await chunksOf(body).next(undefined, Math.max(1, size))) ?? new Uint8Array(0);
      if (bytes.byteLength !== size) throw new KeepError('body_mismatch');
      return { hash: md5Hex(bytes), body: new Response(bytes).body ?? body, discard: () => Promise.resolve() };
    } finally {
      held.release();
    }
  }
  if (store === undefined) throw new KeepError('full');
  const key = `${UNNAMED}${crypto.randomUUID()}`;
  const discard = () => store.delete([key]);
  const digest = new crypto.DigestStream('MD5');
  digest.digest.catch(() => undefined);
  const aside = new FixedLengthStream(size);
  try {
    await Promise.all([
      store.put(key, aside.readable, { size }),
      fanOut(body, [
        { writable: aside.writable, required: true },
        { writable: digest, required: true },
      ]),
    ]);
    const hash = hexOf(await digest.digest);
    const stored = await store.get(key);
    if (stored === null) throw new KeepError('unavailable');
    return { hash, body: stored.body, discard };
  } catch (error) {
    await discard().catch(() => undefined);
    throw error;
  }
}
