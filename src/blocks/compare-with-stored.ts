import { KeepError } from '../keep/errors.ts';
import type { Mount } from '../storage/mounts.ts';
import { chunksOf } from '../streams/chunks.ts';
import { type Difference, firstDifference } from '../streams/compare.ts';
import { md5OfStream } from '../streams/md5-stream.ts';

/**
 * Compares the body of a write with what a mount already has under its name. Nothing is hashed while they agree.
 *
 * @returns null when they are equal; the whole body once more when the stored copy is proven corrupt
 * @throws KeepError `body_mismatch` when the body is not the block; `hash_collision` when body and stored copy differ
 *   and both have this MD5; `not_found` when the stored copy went away meanwhile
 */
export async function compareWithStored(
  mount: Mount,
  { hash, size }: { hash: string; size: number },
  body: ReadableStream<Uint8Array>,
): Promise<ReadableStream<Uint8Array> | null> {
  const stored = await mount.volume.read(hash);
  if (stored === null) throw new KeepError('not_found');
  const difference = await firstDifference(body, stored.body);
  if (difference === null) return null;
  const { offset } = difference;
  const chunk = difference.chunk?.slice() ?? new Uint8Array(0);
  const again = replay(mount, hash, size, difference);
  // The store's MD5 decides nothing here: either it returned other bytes than it attests, or this is a collision.
  if (!(await isIntact(mount, hash))) return again;
  if ((await md5OfStream(again)) !== hash) throw new KeepError('body_mismatch');
  if (await startsWith(mount, hash, offset, chunk)) {
    throw new KeepError('unavailable', {
      cause: new Error('the store gave wrong bytes once, and right ones afterwards'),
    });
  }
  throw new KeepError('hash_collision');
}

/** Whether the stored copy has these bytes at `offset`, asked anew. */
async function startsWith(mount: Mount, hash: string, offset: number, chunk: Uint8Array): Promise<boolean> {
  if (chunk.byteLength === 0) return false;
  const stored = await mount.volume.read(hash, { range: { offset, length: chunk.byteLength } });
  if (stored === null) throw new KeepError('not_found');
  const bytes = new Uint8Array(await new Response(stored.body).arrayBuffer());
  return bytes.byteLength === chunk.byteLength && bytes.every((byte, i) => byte === chunk[i]);
}

async function isIntact(mount: Mount, hash: string): Promise<boolean> {
  const stored = await mount.volume.read(hash);
  return stored !== null && (await md5OfStream(stored.body)) === hash;
}

/** The body from its start: what was equal comes from the store, the rest is still to be read. */
function replay(
  mount: Mount,
  hash: string,
  size: number,
  { offset, chunk, rest }: Difference,
): ReadableStream<Uint8Array> {
  const { readable, writable } = new FixedLengthStream(size);
  const pump = async () => {
    const writer = writable.getWriter();
    try {
      if (offset > 0) {
        const stored = await mount.volume.read(hash, { range: { offset: 0, length: offset } });
        if (stored === null) throw new KeepError('not_found');
        const start = chunksOf(stored.body);
        for (let next = await start.next(); next !== null; next = await start.next(next)) await writer.write(next);
      }
      for (let next = chunk; next !== null; next = await rest.next(next)) await writer.write(next);
      await writer.close();
    } catch (error) {
      await Promise.allSettled([rest.cancel(error), writer.abort(error)]);
    }
  };
  // The reader of `readable` sees the failure.
  void pump();
  return readable;
}
