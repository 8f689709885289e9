import { waitUntil } from 'cloudflare:workers';
import { count } from '../http/metrics.ts';
import { createBoundedMap } from '../keep/bounded-map.ts';
import { DIGEST_CHUNK_BYTES } from '../storage/bucket-layout.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import type { Sink } from '../streams/fan-out.ts';
import { createTurns } from './turns.ts';

/** A near mount that takes no bytes for so long is left behind: the reader must not wait for it. */
const PATIENCE_MS = 5000;
/** A block is copied by one reader at a time. */
const COPYING = createTurns(60_000);
/** Once so large a part of a block has been read by ranges, the whole is fetched: at most twice what was needed leaves. */
const WORTH_SHARE = 0.25;

/** The mount that `far` names as nearer, if that has just said that it does not have the block. */
export function nearOf(mounts: readonly Mount[], far: Mount, missed: ReadonlySet<string>): Mount | null {
  const near = mounts.find(({ uuid }) => uuid === far.near);
  return near?.allowWrite && missed.has(near.uuid) ? near : null;
}

/**
 * Takes a block into the near mount as it passes to its reader: in lockstep, so that no byte is held. The store checks
 * the MD5 and refuses what breaks off. What goes wrong with the copy costs the reader nothing. Null while the block is
 * being copied already.
 */
export function copyOnTheWay(near: Mount, hash: string, size: number): Sink | null {
  if (COPYING.isTaken(hash)) return null;
  const { readable, writable } = new FixedLengthStream(size);
  const stored = COPYING.take(hash, () => near.volume.write(hash, readable, { size }));
  noteOutcome(near, stored);
  // A store that gave up may never have looked at the stream: writes to it must not wait for ever.
  const failure = stored.then(() => new Promise<never>(() => undefined));
  failure.catch(() => undefined);
  return { writable, required: false, failure, patienceMs: PATIENCE_MS };
}

/** The same for a block that is in memory. */
export function copyBytes(near: Mount, hash: string, bytes: Uint8Array): void {
  if (COPYING.isTaken(hash)) return;
  noteOutcome(
    near,
    COPYING.take(hash, () => near.volume.write(hash, bytes, { size: bytes.byteLength })),
  );
}

/** Bytes read by ranges, by block. */
const ranged = createBoundedMap<number>({ maxEntries: 10_000, maxBytes: 2 * 1024 * 1024, sizeOf: () => 8 });

/** Whether ranges of this block are better answered by having the whole: small blocks, and those that are read a lot. */
export function isWorthWhole(hash: string, size: number, { length }: ByteRange): boolean {
  const before = ranged.get(hash) ?? 0;
  ranged.set(hash, before + length);
  return size <= DIGEST_CHUNK_BYTES || length === size || before + length >= size * WORTH_SHARE;
}

/** Copies a block past its reader, who has asked for a part. */
export function copyAside(near: Mount, far: Mount, hash: string): void {
  if (COPYING.isTaken(hash)) return;
  noteOutcome(
    near,
    COPYING.take(hash, async () => {
      const object = await far.volume.read(hash);
      if (object === null) return 'exists';
      return near.volume.write(hash, object.body, { size: object.size });
    }),
  );
}

function noteOutcome({ deviceId }: Mount, stored: Promise<'written' | 'exists'>): void {
  const noted = stored.then(
    (result) => result,
    () => 'failed',
  );
  waitUntil(noted.then((result) => count('keep_edge_pull_through_total', { device_id: deviceId, result })));
}
