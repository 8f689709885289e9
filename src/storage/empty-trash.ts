import { listAll } from './bucket-index.ts';
import { hashOfDataKey, keysOf, seconds, TRASH } from './bucket-layout.ts';
import { type BucketVolumeOptions, fixRace, isBlock } from './bucket-volume.ts';
import type { ObjectInfo, ObjectStore } from './object-store.ts';

/** The result of one run over the trash of one volume. Sizes in bytes. */
export interface EmptyTrashResult {
  deletedBlocks: number;
  deletedBytes: number;
  remainingBlocks: number;
  remainingBytes: number;
  /** Entries that failed, one line each; they stay for the next run. */
  problems: string[];
  /** The key to continue after when time ran out; null when the whole trash was seen. */
  resumeAfter: string | null;
}

export interface EmptyTrashOptions
  extends Pick<BucketVolumeOptions, 'prefixLength' | 'ttlSeconds' | 'lifetimeSeconds' | 'raceWindowSeconds' | 'clock'> {
  /** How many entries are worked on at once. */
  concurrency: number;
  /** Checked between batches: whether to stop and return `resumeAfter`. */
  isTimeUp: () => boolean;
  resumeAfter: string | null;
}

const MAX_PROBLEMS = 20;

/**
 * Deletes what has been in trash longer than the lifetime, by keepstore's rules
 * (docs/protocol/blocks.md#emptying-the-trash) with two differences: a good live block is never overwritten by its
 * trashed copy, and its marker is never deleted. Age is measured against the start of the run. Safe to repeat and to
 * run beside a real keepstore's emptier.
 */
export async function emptyTrash(store: ObjectStore, options: EmptyTrashOptions): Promise<EmptyTrashResult> {
  const startedAt = Math.floor(options.clock() / 1000);
  const result: EmptyTrashResult = {
    deletedBlocks: 0,
    deletedBytes: 0,
    remainingBlocks: 0,
    remainingBytes: 0,
    problems: [],
    resumeAfter: null,
  };
  const startAfter = options.resumeAfter ?? undefined;
  for await (const page of listAll(store, TRASH, startAfter)) {
    for (let i = 0; i < page.length; i += options.concurrency) {
      const batch = page.slice(i, i + options.concurrency);
      await Promise.all(batch.map((object) => emptyOne(store, object, options, startedAt, result)));
      if (options.isTimeUp()) return { ...result, resumeAfter: batch.at(-1)?.key ?? null };
    }
  }
  return result;
}

async function emptyOne(
  store: ObjectStore,
  trashed: ObjectInfo,
  options: EmptyTrashOptions,
  startedAt: number,
  result: EmptyTrashResult,
): Promise<void> {
  const hash = hashOfDataKey(trashed.key.slice(TRASH.length), options.prefixLength);
  if (hash === null) return;
  try {
    if ((await judge(store, hash, trashed, options, startedAt)) === 'deleted') {
      result.deletedBlocks++;
      result.deletedBytes += trashed.size;
      return;
    }
  } catch (error) {
    if (result.problems.length < MAX_PROBLEMS)
      result.problems.push(`${hash}: ${error instanceof Error ? error.message : String(error)}`);
  }
  result.remainingBlocks++;
  result.remainingBytes += trashed.size;
}

async function judge(
  store: ObjectStore,
  hash: string,
  listed: ObjectInfo,
  options: EmptyTrashOptions,
  startedAt: number,
): Promise<'kept' | 'deleted'> {
  const { prefixLength, ttlSeconds, lifetimeSeconds, raceWindowSeconds } = options;
  const { data, recent, trash } = keysOf(hash, prefixLength);
  const mark = () => store.put(recent, new Uint8Array(0), { size: 0 });
  const marker = await store.head(recent);
  if (marker === null) {
    // Without a marker the time of last use is unknown: restore the block and count from now.
    if (await restore(store, hash, data, trash)) await mark();
    return 'kept';
  }
  const trashedAt = seconds(listed);
  const usedAt = seconds(marker);
  const isDoubtful = trashedAt - usedAt < ttlSeconds;
  if (!isDoubtful && startedAt - trashedAt < lifetimeSeconds) return 'kept';
  // Trashed again since it was listed: that copy has its own time and lifetime.
  const current = await store.head(trash);
  if (current === null) return 'deleted';
  if (seconds(current) !== trashedAt) return 'kept';
  if (isDoubtful) {
    // A write or touch raced with the trash, or the block was untrashed since.
    if (startedAt - usedAt >= ttlSeconds - raceWindowSeconds) {
      if (await restore(store, hash, data, trash)) await mark();
      return 'kept';
    }
    if ((await store.head(data)) === null) {
      await fixRace(store, hash, options);
      return 'kept';
    }
    if (startedAt - trashedAt < lifetimeSeconds) return 'kept';
  }
  await store.delete([trash]);
  if ((await store.head(trash)) !== null) return 'kept';
  // The marker of a live block protects it from the next trash list: keep it.
  if ((await store.head(data)) === null) await store.delete([recent]);
  return 'deleted';
}

/** Makes sure that a good copy is live, restored from trash if necessary; false when neither copy is good. */
async function restore(store: ObjectStore, hash: string, data: string, trash: string): Promise<boolean> {
  if (await isBlock(store, data, hash)) return true;
  if (!(await isBlock(store, trash, hash))) return false;
  return (await store.copy(trash, data)) !== null;
}
