import { count } from '../http/metrics.ts';
import { KeepError } from '../keep/errors.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ObjectInfo, StoredObject } from '../storage/object-store.ts';
import type { ByteRange } from '../streams/byte-range.ts';
import type { DigestStore } from './digest-store.ts';
import type { BlockCache } from './edge-cache.ts';
import type { Hedging } from './hedging.ts';
import { type Attempt, tryMounts } from './try-mounts.ts';

/**
 * What is hashed here although the store vouches for it. attested: nothing. ranges: parts of blocks, which no client
 * can check by itself. always: everything.
 */
export type VerifyReads = 'attested' | 'ranges' | 'always';

/** Where blocks are read from. */
export interface BlockSource {
  mounts: Mount[];
  /** Asked when no mount has the block: buckets that are read through gateways. */
  last?: readonly Mount[];
  cache: BlockCache;
  verifyReads: VerifyReads;
  /** Null, or absent: digests are kept in this isolate's memory only. */
  digests?: DigestStore | null;
  /** Null, or absent: a slow mount is waited for. */
  hedging?: Hedging | null;
  /** Asked in place of the mounts. Null, or absent: there is none. */
  tier?: BlockTier | null;
  /** Has a bad copy replaced by a good one, later. */
  repair?: (hash: string, mount: Mount) => void;
}

/** Blocks as readers get them through a cache in front of an entrypoint (tiered-cache.ts). Permission has been checked. */
export interface BlockTier {
  /** Null when the cache itself fails: the caller reads past it. @throws KeepError as readBlock */
  read(hash: string, size: number, range: ByteRange | undefined): Promise<BlockRead | null>;
}

/** What answered, and how the bytes are vouched for. */
export interface BlockFound {
  /** Bytes of the whole block. */
  size: number;
  /** Mount UUID, or `cache`. */
  from: string;
  /** attested: the store's own MD5 is the block's name. hashed: computed here from the bytes. */
  vouched: 'attested' | 'hashed';
}

export interface BlockRead extends BlockFound {
  body: ReadableStream<Uint8Array>;
  /** See PumpedBody; undefined for native bodies. */
  done?: Promise<void>;
}

export interface ReadOptions {
  /** The locator's size hint; a stored block of another size is corrupt. */
  size?: number | null;
  signal?: AbortSignal | undefined;
}

/** The read of one block: what is needed at every mount that is tried. */
export interface Wanted extends ReadOptions {
  source: BlockSource;
  hash: string;
}

/** As tryMounts, for reads with a body. */
export function readFrom(wanted: Wanted, attempt: (at: Attempt) => Promise<BlockRead | null>): Promise<BlockRead> {
  const { source, hash, signal } = wanted;
  return tryMounts({
    mounts: source.mounts,
    last: source.last ?? [],
    hash,
    signal,
    hedging: source.hedging ?? null,
    attempt,
    discard: ({ body }) => void body.cancel('another mount was faster').catch(() => undefined),
    onCorrupt: (mount) => reportCorrupt(source, hash, mount),
    onHedged: (result) => count('keep_edge_hedged_reads_total', { result }),
  });
}

/** A copy was found to be bad. Where another mount may have a good one, it is looked at again, and replaced. */
export function reportCorrupt(source: BlockSource, hash: string, mount: Mount): void {
  count('keep_edge_corrupt_copies_total', { device_id: mount.deviceId });
  if (source.mounts.length > 1 && source.mounts.includes(mount)) source.repair?.(hash, mount);
}

/** Opens an object, and notes how long the mount took. */
export async function openAt(
  { source, hash }: Wanted,
  { mount, signal }: Attempt,
  range?: ByteRange,
): Promise<StoredObject | null> {
  const startedAt = Date.now();
  const object = await mount.volume.read(hash, { signal, ...(range === undefined ? {} : { range }) });
  if (object !== null && source.mounts.length > 1) source.hedging?.observe(mount.uuid, Date.now() - startedAt);
  return object;
}

/** @throws KeepError `corrupt` when the size or the store's own MD5 say that this is not the block */
export function judge(
  { source, hash, size: expected }: Wanted,
  { size, md5 }: ObjectInfo,
  isWhole: boolean,
): BlockFound['vouched'] {
  if ((expected ?? size) !== size) throw new KeepError('corrupt');
  if (md5 !== null && md5 !== hash) throw new KeepError('corrupt');
  if (md5 === null || source.verifyReads === 'always') return 'hashed';
  return isWhole || source.verifyReads === 'attested' ? 'attested' : 'hashed';
}

/** As judge, and cancels the body if it throws. */
export async function judged(wanted: Wanted, object: StoredObject, isWhole: boolean): Promise<BlockFound['vouched']> {
  try {
    return judge(wanted, object, isWhole);
  } catch (error) {
    await object.body.cancel(error).catch(() => undefined);
    throw error;
  }
}

export function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Response(bytes).body ?? new ReadableStream();
}
