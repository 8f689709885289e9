import { waitUntil } from 'cloudflare:workers';
import { DIGEST_CHUNK_BYTES } from '../storage/bucket-layout.ts';
import type { Mount } from '../storage/mounts.ts';
import type { Sink } from '../streams/fan-out.ts';
import type { DigestStore } from './digest-store.ts';
import { createDigester, rememberDigests, type SizedBlock } from './range-digests.ts';

/** The digests of a block, made as its body is sent to the stores. */
export interface DigestsOnTheWay {
  sink: Sink;
  /**
   * Keeps them, later, on mounts that have taken this very body and found it right.
   * @param passed settles when the body has been moved
   */
  keep(mounts: Mount[], passed: Promise<unknown>): void;
}

/**
 * Null where digests are not wanted, or the block is so small that it has none.
 * @param puts to the stores: once all have failed, no more of the body is read
 */
export function digestsOnTheWay(
  store: DigestStore | null | undefined,
  block: SizedBlock,
  puts: Promise<unknown>[],
): DigestsOnTheWay | null {
  if (!store || block.size <= DIGEST_CHUNK_BYTES) return null;
  const { writable, finished } = createDigester(block);
  let digests: Uint8Array | null = null;
  void finished.then((made) => {
    digests = made;
  });
  const failure = Promise.any(puts).then(() => new Promise<never>(() => undefined));
  failure.catch(() => undefined);
  const save = async (mounts: Mount[]) => {
    if (digests === null) return;
    rememberDigests(block, digests);
    // Without them the first range that is read makes them.
    for (const mount of mounts) await store.save(mount, block, digests).catch(() => undefined);
  };
  return {
    sink: { writable, required: false, failure },
    keep: (mounts, passed) => waitUntil(passed.then(() => save(mounts)).catch(() => undefined)),
  };
}
