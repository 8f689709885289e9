import { KeepError } from '../keep/errors.ts';
import { createMd5 } from '../streams/md5-stream.ts';
import { streamOf } from './byte-source.ts';
import type { AsideStore } from './name-block.ts';

/** One block of a body, as a manifest names it. */
export interface BodyBlock {
  /** `hash+size`, with a signature where the writer of blocks gave one. */
  locator: string;
  size: number;
}

export interface BodyDestination {
  /** Where bodies lie until their hash is known; undefined: nowhere. */
  aside: AsideStore;
  /** Stores one block under its hash. @returns its locator */
  storeBlock: (block: { hash: string; size: number; body: ReadableStream<Uint8Array> }) => Promise<string>;
}

/** A block that was read from the body and has yet to be brought under its name. */
export interface HeldBlock {
  size: number;
  /** Whether the body is known to have ended with it. */
  isLast?: boolean;
  store: () => Promise<BodyBlock>;
}

export async function stored(
  to: BodyDestination,
  hash: string,
  size: number,
  body: ReadableStream<Uint8Array>,
): Promise<BodyBlock> {
  return { locator: await to.storeBlock({ hash, size, body }), size };
}

export async function storeBytes(to: BodyDestination, bytes: Uint8Array): Promise<BodyBlock> {
  const digest = createMd5();
  await digest.write(bytes);
  return stored(to, await digest.hex(), bytes.byteLength, streamOf(bytes));
}

export function nowhereAside(): KeepError {
  return new KeepError('length_required', {
    message:
      'a body whose MD5 is not known cannot be stored here: send Content-Length and Content-MD5, or ask for a STAGING bucket to be bound',
  });
}
