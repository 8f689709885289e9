import { KeepError } from '../keep/errors.ts';
import { fanOut, type Sink } from './fan-out.ts';
import { createMd5 } from './md5-stream.ts';
import { type Pieces, piecesOf } from './pieces.ts';
import type { PumpedBody } from './pumped-body.ts';

/**
 * A block's body that can never reach its reader complete and wrong (keep-block-api.md 3.6): hashed on the way, the
 * last piece held back until the digest agrees, broken off with `corrupt` if it does not. Small blocks are judged
 * whole by `verifiedBytes`, while a status can still be sent.
 *
 * @param copyTo gets the same bytes, and is closed only when they proved right
 */
export function verifyBody(
  body: ReadableStream<Uint8Array> | Pieces,
  { hash, size }: { hash: string; size: number },
  copyTo: Sink | null,
): PumpedBody {
  return pumped(body, size, copyTo, { hash, size });
}

/** Passes a body on and gives `copyTo` the same bytes; `copyTo` is closed only when all went well. */
export function copyBody(body: ReadableStream<Uint8Array>, size: number, copyTo: Sink): PumpedBody {
  return pumped(body, size, copyTo);
}

/** Up to this size a block is read whole before its answer starts, to be kept by the cache in one piece. */
export const SMALL_BLOCK_BYTES = 256 * 1024;

/**
 * The bytes of a block of at most one piece.
 * @throws KeepError `corrupt` when there are more or fewer, or with another MD5 if `hash` is given
 */
export async function verifiedBytes(
  body: ReadableStream<Uint8Array> | Pieces,
  size: number,
  hash: string | null,
): Promise<Uint8Array> {
  const pieces = 'next' in body ? body : piecesOf(body);
  const bytes = (await pieces.next()) ?? new Uint8Array(0);
  if (bytes.byteLength !== size) {
    await pieces.cancel('not of the expected length');
    throw new KeepError('corrupt');
  }
  if (hash !== null && (await md5Of(bytes)) !== hash) throw new KeepError('corrupt');
  return bytes;
}

async function md5Of(bytes: Uint8Array): Promise<string> {
  const digest = createMd5();
  if (bytes.byteLength > 0) await digest.write(bytes);
  return digest.hex();
}

function pumped(
  body: ReadableStream<Uint8Array> | Pieces,
  size: number,
  copyTo: Sink | null,
  verify?: { hash: string; size: number },
): PumpedBody {
  const out = new FixedLengthStream(size);
  const sinks: Sink[] = [{ writable: out.writable, required: true }];
  if (copyTo !== null) sinks.push(copyTo);
  const done = fanOut(body, sinks, verify);
  // The reader of `out` sees every failure; here it is only kept from counting as unhandled.
  done.catch(() => undefined);
  return { body: out.readable, done };
}
