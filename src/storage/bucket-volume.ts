import { KeepError } from '../keep/errors.ts';
import { md5OfStream } from '../streams/md5-stream.ts';
import { DIGEST_CHUNK_BYTES, digestsKey, keysOf, seconds } from './bucket-layout.ts';
import type { GetOptions, ObjectInfo, ObjectStore, StoredObject } from './object-store.ts';

/** Seconds: the two promises that race decisions are measured against, and the slack for slow operations. */
export interface VolumeTimes {
  ttlSeconds: number;
  lifetimeSeconds: number;
  raceWindowSeconds: number;
}

export interface BucketVolumeOptions extends VolumeTimes {
  prefixLength: number;
  unsafeDelete: boolean;
  /** Unix milliseconds now. */
  clock: () => number;
}

export interface WriteOptions {
  size: number;
  /** Replace what is under the name: the caller knows it to be corrupt. */
  replace?: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Keep's blocks in a bucket, laid out as keepstore's S3 driver does (docs/protocol/blocks.md#bucket-layout), so that
 * real keepstores can share it. A trashed block is not found. Errors: KeepError `not_found` where a block must exist,
 * otherwise what the store throws.
 */
export interface BucketVolume {
  /** The block as stored, unverified; null when there is none. Undoes a trash that raced with a write (fixRace). */
  read(hash: string, options?: GetOptions): Promise<StoredObject | null>;
  /** What the store knows of the block, without moving it. */
  head(hash: string, signal?: AbortSignal): Promise<ObjectInfo | null>;
  /**
   * Data first, marker second.
   * @returns exists: something came under the name first and stays; a stream may be used up. It must be compared before
   *   the block counts as stored: two blocks may have one MD5
   * @throws KeepError `body_mismatch` with nothing changed
   */
  write(
    hash: string,
    body: ReadableStream<Uint8Array> | Uint8Array,
    options: WriteOptions,
  ): Promise<'written' | 'exists'>;
  /** @throws KeepError `not_found` */
  touch(hash: string): Promise<void>;
  /** Time of the last write, touch or untrash in whole Unix seconds; null when there is no block. Creates a missing marker, which makes the block new. */
  mtime(hash: string): Promise<number | null>;
  /**
   * Trashes a block older than the signature TTL; a younger one is left alone.
   * @param listed the mtime in Unix seconds that the block must have; any when absent
   * @throws KeepError `not_found`, `unavailable`
   */
  trash(hash: string, listed?: number): Promise<'trashed' | 'too_young' | 'changed'>;
  /** @throws KeepError `not_found` when nothing is in trash, `corrupt` when what is there is not the block */
  untrash(hash: string): Promise<void>;
}

export function createBucketVolume(store: ObjectStore, options: BucketVolumeOptions): BucketVolume {
  const { prefixLength, ttlSeconds, lifetimeSeconds, raceWindowSeconds, unsafeDelete, clock } = options;
  const keys = (hash: string) => keysOf(hash, prefixLength);
  const now = () => Math.floor(clock() / 1000);
  const mark = async (hash: string): Promise<Pick<ObjectInfo, 'modified'>> =>
    (await store.put(keys(hash).recent, new Uint8Array(0), { size: 0 })) ?? { modified: clock() };

  async function head(hash: string, signal?: AbortSignal): Promise<ObjectInfo | null> {
    const { data } = keys(hash);
    const found = await store.head(data, signal);
    if (found !== null) return found;
    return (await fixRace(store, hash, options)) ? store.head(data, signal) : null;
  }

  async function stat(hash: string): Promise<{ mtime: number; size: number } | null> {
    const block = await store.head(keys(hash).data);
    if (block === null) return null;
    const marker = (await store.head(keys(hash).recent)) ?? (await mark(hash));
    return { mtime: seconds(marker), size: block.size };
  }

  const mtime = async (hash: string) => (await stat(hash))?.mtime ?? null;

  /** Only larger blocks have any. Digests that stay behind are right for ever, and swept. */
  async function forgetDigests(hash: string, size: number): Promise<void> {
    if (size > DIGEST_CHUNK_BYTES) await store.delete([digestsKey(hash, prefixLength)]).catch(() => undefined);
  }

  return {
    head,
    mtime,

    async read(hash, getOptions) {
      const { data } = keys(hash);
      const found = await store.get(data, getOptions);
      if (found !== null) return found;
      return (await fixRace(store, hash, options)) ? store.get(data, getOptions) : null;
    },

    async write(hash, body, { size, replace = false, signal }) {
      const stored = await store.put(keys(hash).data, body, { size, md5: hash, ifAbsent: !replace, signal });
      if (stored === null) return 'exists';
      await mark(hash);
      return 'written';
    },

    async touch(hash) {
      if ((await head(hash)) === null) throw new KeepError('not_found');
      await mark(hash);
      // A trash that had read the old marker may have moved the data meanwhile; with the new marker, head undoes that.
      if ((await head(hash)) === null) throw new KeepError('not_found');
    },

    async trash(hash, listed) {
      const { data, trash } = keys(hash);
      const found = await stat(hash);
      if (found === null) throw new KeepError('not_found');
      const { mtime: modified, size } = found;
      if (listed !== undefined && listed !== modified) return 'changed';
      if (now() - modified < ttlSeconds) return 'too_young';
      if (lifetimeSeconds === 0) {
        if (!unsafeDelete) {
          throw new KeepError('internal', {
            message: 'BLOB_TRASH_LIFETIME is 0: set UnsafeDelete on the volume to delete beyond recovery',
          });
        }
        await store.delete([data]);
        // A block that was written meanwhile is best kept with its marker; without one it would count as new.
        if ((await store.head(data)) === null) await store.delete([keys(hash).recent]);
        await forgetDigests(hash, size);
        return 'trashed';
      }
      // An older copy that the emptier is about to delete must not be mistaken for the one made here.
      const old = await store.head(trash);
      if (old !== null && seconds(old) + lifetimeSeconds <= now() + raceWindowSeconds) {
        throw new KeepError('unavailable', {
          message: 'an older trashed copy is about to be deleted; try again later',
        });
      }
      if ((await store.copy(data, trash)) === null) throw new KeepError('not_found');
      // A copy takes time: if the block was written or touched meanwhile it stays live, and the emptier removes the copy.
      if ((await mtime(hash)) !== modified) return 'too_young';
      await store.delete([data]);
      await forgetDigests(hash, size);
      return 'trashed';
    },

    async untrash(hash) {
      const { trash, data } = keys(hash);
      const trashed = await store.head(trash);
      if (trashed === null) throw new KeepError('not_found');
      // Never overwrite a good live block by the copy in trash, which may be damaged.
      if (!(await isBlock(store, data, hash))) {
        if (!(await isBlock(store, trash, hash))) throw new KeepError('corrupt');
        if ((await store.copy(trash, data)) === null) throw new KeepError('not_found');
      }
      await mark(hash);
    },
  };
}

/**
 * Undoes a trash that raced with a write or touch: the trashed copy is restored when the marker shows that the block
 * was in use within the TTL before it was trashed. Called when the data key is missing. The copy is verified first: a
 * damaged one stays in trash.
 */
export async function fixRace(
  store: ObjectStore,
  hash: string,
  { prefixLength, ttlSeconds }: Pick<BucketVolumeOptions, 'prefixLength' | 'ttlSeconds'>,
): Promise<boolean> {
  const { data, recent, trash } = keysOf(hash, prefixLength);
  const marker = await store.head(recent);
  if (marker === null) return false;
  const trashed = await store.head(trash);
  if (trashed === null || seconds(trashed) - seconds(marker) >= ttlSeconds) return false;
  if (!(await isBlock(store, trash, hash))) return false;
  return (await store.copy(trash, data)) !== null;
}

/** True when the object under `key` is the block: by the store's MD5 if it has one, else by hashing it. */
export async function isBlock(store: ObjectStore, key: string, hash: string): Promise<boolean> {
  const info = await store.head(key);
  if (info === null) return false;
  if (info.md5 !== null) return info.md5 === hash;
  const object = await store.get(key);
  return object !== null && (await md5OfStream(object.body)) === hash;
}
