import { waitUntil } from 'cloudflare:workers';
import { DIGEST_CHUNK_BYTES } from '../storage/bucket-layout.ts';
import type { Mount } from '../storage/mounts.ts';
import type { StoredObject } from '../storage/object-store.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import { CHUNK_BYTES, type Chunks } from '../streams/chunks.ts';
import { heldBudget } from '../streams/held-budget.ts';
import { pacedBody } from '../streams/paced-body.ts';
import { verifiedBytes } from '../streams/verify.ts';
import { type BlockRead, judge, judged, openAt, streamOf, type Wanted } from './block-source.ts';
import {
  checkableRange,
  checkedBytes,
  checkedChunks,
  createDigester,
  knownDigests,
  rememberDigests,
} from './range-digests.ts';
import type { Attempt } from './try-mounts.ts';
import { createTurns } from './turns.ts';
import { verifyWhole } from './whole-block.ts';

/** Up to this length what has to be read is held and checked at once. */
const HELD_BYTES = 2 * DIGEST_CHUNK_BYTES;

/** Chunks under way while a block is hashed. */
const HASHING_BYTES = 2 * CHUNK_BYTES;
/** Hashing of whole blocks: ranges of one block that are asked for together wait for the first of them. */
const HASHING = createTurns(60_000);

/**
 * Part of a block from one mount, checked before it is given out; null when the mount does not have the block. A block
 * of up to a MiB is read and hashed whole. A larger one is hashed whole once; its digests are kept, and after that only
 * the megabytes that a range touches are read.
 */
export async function verifiedRange(wanted: Wanted, at: Attempt, range: ByteRange, size: number) {
  const read =
    size <= DIGEST_CHUNK_BYTES ? await ofSmallBlock(wanted, at, range, size) : await byDigests(wanted, at, range, size);
  return read === null ? null : ({ ...read, size, from: at.mount.uuid, vouched: 'hashed' } satisfies BlockRead);
}

async function ofSmallBlock(wanted: Wanted, at: Attempt, range: ByteRange, size: number) {
  const object = await openAt(wanted, at);
  if (object === null) return null;
  await judged(wanted, object, true);
  return withRoom(size, wanted.signal, object, async () => {
    const bytes = await verifiedBytes(object.body, { hash: wanted.hash, size });
    wanted.source.cache.put(wanted.hash, bytes);
    return { body: streamOf(bytes.subarray(range.offset, range.offset + range.length)) };
  });
}

async function byDigests(wanted: Wanted, at: Attempt, range: ByteRange, size: number) {
  const { hash } = wanted;
  const needed = checkableRange(range, size);
  let digests = knownDigests({ hash, size });
  if (digests === null) {
    // A mount that does not have the block has no digests either, and nothing to hash.
    const info =
      wanted.source.mounts.length + (wanted.source.last?.length ?? 0) > 1
        ? await at.mount.volume.head(hash, at.signal)
        : undefined;
    if (info === null) return null;
    if (info !== undefined) judge(wanted, info, false);
    digests = await digestsOf(wanted, at, size);
  }
  const object = await openAt(wanted, at, needed);
  if (object === null) return null;
  await judged(wanted, object, false);
  return needed.length <= HELD_BYTES
    ? withRoom(DIGEST_CHUNK_BYTES + range.length, wanted.signal, object, async () => ({
        body: streamOf(await checkedBytes(object.body, digests, range)),
      }))
    : withRoom(PACED_BYTES, wanted.signal, object, async () => {
        const chunks = checkedChunks(object.body, digests, range);
        // The first one while a status can still be sent.
        const first = await chunks.next();
        return pacedBody(after(first, chunks), range.length, wanted.signal);
      });
}

/** What a reader of more has in its two buffers. */
const PACED_BYTES = 2 * DIGEST_CHUNK_BYTES;

/** Megabytes are checked whole: as many at a time as answers may hold. They count until the body is through. */
async function withRoom<Opened extends Pick<BlockRead, 'body' | 'done'>>(
  bytes: number,
  signal: AbortSignal | undefined,
  object: StoredObject,
  open: () => Promise<Opened>,
): Promise<Opened> {
  const held = heldBudget.reserve();
  try {
    await held.wait(bytes, signal);
    const opened = await open();
    if (opened.done === undefined) held.release();
    else opened.done.finally(held.release).catch(() => undefined);
    return opened;
  } catch (error) {
    held.release();
    await object.body.cancel(error).catch(() => undefined);
    throw error;
  }
}

/** From the mount, or by hashing the block. */
async function digestsOf({ source, hash }: Wanted, { mount, signal }: Attempt, size: number): Promise<Uint8Array> {
  const block = { hash, size };
  for (;;) {
    const digests = knownDigests(block);
    if (digests !== null) return digests;
    if (!HASHING.isTaken(hash)) break;
    await HASHING.wait(hash, signal);
  }
  return HASHING.take(hash, async () => {
    // What cannot be loaded is computed.
    const stored = (await source.digests?.load(mount, block, signal).catch(() => null)) ?? null;
    const digests = stored ?? (await computed({ source, hash }, mount, size, signal));
    rememberDigests(block, digests);
    if (stored === null)
      waitUntil(source.digests?.save(mount, block, digests).catch(() => undefined) ?? Promise.resolve());
    return digests;
  });
}

async function computed(
  wanted: Pick<Wanted, 'source' | 'hash'>,
  mount: Mount,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const held = heldBudget.reserve();
  try {
    await held.wait(HASHING_BYTES, signal);
    const { writable, finished } = createDigester({ hash: wanted.hash, size });
    await verifyWhole(wanted, mount, size, signal, { writable, required: true });
    return await finished;
  } finally {
    held.release();
  }
}

/** The chunks with the first one again in front. */
function after(first: Uint8Array | null, rest: Chunks): Chunks {
  let waiting = first;
  return {
    async next(spent, bytes) {
      const chunk = waiting;
      waiting = null;
      return chunk ?? rest.next(spent, bytes);
    },
    cancel: (reason) => rest.cancel(reason),
  };
}
