import type { ObjectInfo } from './object-store.ts';

/** The keys of a block's three objects (docs/protocol/blocks.md#bucket-layout). */
export interface BlockKeys {
  data: string;
  /** Empty; its time is the block's mtime. */
  recent: string;
  /** The trashed copy; its time is when it was trashed. */
  trash: string;
}

export const RECENT = 'recent/';
export const TRASH = 'trash/';
/**
 * Digests of blocks by which ranges are checked: SHA-256 of each MiB. Behind every block and marker in the order of
 * keys, so that listings of blocks never see them; keepstores ignore such keys.
 */
export const DIGESTS = 'verify/sha256-1MiB/';

export function keysOf(hash: string, prefixLength: number): BlockKeys {
  const data = dataKey(hash, prefixLength);
  return { data, recent: RECENT + data, trash: TRASH + data };
}

/** Bytes of a block that one digest stands for. A block of no more has no digests: it is hashed whole. */
export const DIGEST_CHUNK_BYTES = 2 ** 20;

export function digestsKey(hash: string, prefixLength: number): string {
  return DIGESTS + dataKey(hash, prefixLength);
}

/** `acb/acbd18…` for a prefix length of 3, the bare hash for 0. Also makes the listing prefix of a partial hash. */
export function dataKey(hash: string, prefixLength: number): string {
  return prefixLength === 0 || hash.length < prefixLength ? hash : `${hash.slice(0, prefixLength)}/${hash}`;
}

/** The hash whose data key this is; null for any other object in the bucket. */
export function hashOfDataKey(key: string, prefixLength: number): string | null {
  const hash = key.slice(-32);
  return /^[0-9a-f]{32}$/.test(hash) && key === dataKey(hash, prefixLength) ? hash : null;
}

/** Times are compared in whole seconds, because HEAD of S3 says no more, and keepstores sharing the bucket do the same. */
export function seconds({ modified }: Pick<ObjectInfo, 'modified'>): number {
  return Math.floor(modified / 1000);
}
