import { KeepError } from '../keep/errors.ts';
import { fanOut, type Sink } from './fan-out.ts';
import { createMd5 } from './md5-stream.ts';
import { PIECE_BYTES, piecesOf } from './pieces.ts';
import type { PumpedBody } from './pumped-body.ts';

/**
 * A block's body that can never reach its reader complete and wrong (keep-block-api.md 3.6): hashed on the way, the
 * last piece held back until the digest agrees, broken off with `corrupt` if it does not. A block of one piece
 * (256 KiB) is judged before this resolves, while a status can still be sent.
 *
 * @param copyTo gets the same bytes, and is closed only when they proved right
 * @throws KeepError `corrupt` when that is known before the first byte
 */
export async function verifyBlock(
  body: ReadableStream<Uint8Array>,
  { hash, size }: { hash: string; size: number },
  copyTo?: WritableStream<Uint8Array>,
): Promise<PumpedBody> {
  if (size <= PIECE_BYTES) {
    const bytes = await verifiedBytes(body, hash, size).catch(async (error: unknown) => {
      await copyTo?.abort(error).catch(() => undefined);
      throw error;
    });
    if (copyTo !== undefined) ignoreFailure(writeOnce(copyTo, bytes));
    return { body: new Response(bytes).body ?? new ReadableStream(), done: Promise.resolve() };
  }
  const out = new FixedLengthStream(size);
  const sinks: Sink[] = [{ writable: out.writable, required: true }];
  if (copyTo !== undefined) sinks.push({ writable: copyTo, required: false });
  const done = fanOut(body, sinks, { hash, size });
  // The reader of `out` sees every failure; here it is only kept from counting as unhandled.
  ignoreFailure(done);
  return { body: out.readable, done };
}

async function verifiedBytes(body: ReadableStream<Uint8Array>, hash: string, size: number): Promise<Uint8Array> {
  const pieces = piecesOf(body);
  const digest = createMd5();
  const bytes = (await pieces.next()) ?? new Uint8Array(0);
  // The end must have come; a longer object is as wrong as a shorter one.
  const more = bytes.byteLength === PIECE_BYTES ? await pieces.next() : null;
  if (more !== null) await pieces.cancel('longer than expected');
  if (bytes.byteLength > 0) await digest.write(bytes);
  if (more !== null || bytes.byteLength !== size || (await digest.hex()) !== hash) throw new KeepError('corrupt');
  return bytes;
}

async function writeOnce(to: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = to.getWriter();
  if (bytes.byteLength > 0) await writer.write(bytes);
  await writer.close();
}

function ignoreFailure(work: Promise<unknown>): void {
  work.catch(() => undefined);
}
