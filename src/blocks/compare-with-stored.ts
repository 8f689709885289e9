import { KeepError } from '../keep/errors.ts';
import type { Mount } from '../storage/mounts.ts';
import { type Difference, firstDifference } from '../streams/compare.ts';
import { md5OfStream } from '../streams/md5-stream.ts';
import { piecesOf } from '../streams/pieces.ts';

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
  const attested = stored.md5 === hash;
  const difference = await firstDifference(body, stored.body);
  if (difference === null) return null;
  const again = replay(mount, hash, size, difference);
  if (!attested && !(await isIntact(mount, hash))) return again;
  if ((await md5OfStream(again)) === hash) throw new KeepError('hash_collision');
  throw new KeepError('body_mismatch');
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
  { offset, piece, rest }: Difference,
): ReadableStream<Uint8Array> {
  const { readable, writable } = new FixedLengthStream(size);
  const pump = async () => {
    const writer = writable.getWriter();
    try {
      if (offset > 0) {
        const stored = await mount.volume.read(hash, { range: { offset: 0, length: offset } });
        if (stored === null) throw new KeepError('not_found');
        const start = piecesOf(stored.body);
        for (let next = await start.next(); next !== null; next = await start.next(next)) await writer.write(next);
      }
      for (let next = piece; next !== null; next = await rest.next(next)) await writer.write(next);
      await writer.close();
    } catch (error) {
      await Promise.allSettled([rest.cancel(error), writer.abort(error)]);
    }
  };
  // Whoever reads `readable` sees the failure.
  void pump();
  return readable;
}
