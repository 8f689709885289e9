import { listAll } from './bucket-index.ts';
import { hashOfDataKey, keysOf, seconds, TRASH } from './bucket-layout.ts';
import { type BucketVolumeOptions, fixRace, isBlock } from './bucket-volume.ts';
import type { ObjectInfo, ObjectStore } from './object-store.ts';

/** What one run over the trash of one volume did. Sizes in bytes. */
export interface EmptyTrashResult {
  deletedBlocks: number;
  deletedBytes: number;
  remainingBlocks: number;
  remainingBytes: number;
  /** What could not be judged or done, one line each; those entries stay for the next run. */
  problems: string[];
  /** Where to go on when time was up first; null when the whole trash was seen. */
  resumeAfter: string | null;
}

export interface EmptyTrashOptions
  extends Pick<BucketVolumeOptions, 'prefixLength' | 'ttlSeconds' | 'lifetimeSeconds' | 'raceWindowSeconds' | 'clock'> {
  /** How many entries are worked on at once. */
  concurrency: number;
  /** Asked between entries: whether to stop and report where to go on. */
  isTimeUp: () => boolean;
  resumeAfter: string | null;
}

const MAX_PROBLEMS = 20;

/**
 * Deletes what has been in trash longer than the lifetime, by keepstore's rules (keep-block-api.md 5.6 EmptyTrash)
 * but for two: a live good block is never overwritten by its trashed copy (T68), and its marker is never deleted (T50).
 * Age is measured against the start of the run. Safe to repeat and to run beside a real keepstore's emptier.
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
    // Nobody can tell when the block was last used: bring it back and start counting now.
    if (await restore(store, hash, data, trash)) await mark();
    return 'kept';
  }
  const trashedAt = seconds(listed);
  const usedAt = seconds(marker);
  const isDoubtful = trashedAt - usedAt < ttlSeconds;
  if (!isDoubtful && startedAt - trashedAt < lifetimeSeconds) return 'kept';
  // Trashed anew since it was listed: that copy has its own time, and its own lifetime.
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
  // A live block's marker is what protects it from the next trash list (T50).
  if ((await store.head(data)) === null) await store.delete([recent]);
  return 'deleted';
}

/** Makes sure that a good block is live, from trash if need be; false when neither copy is good. */
async function restore(store: ObjectStore, hash: string, data: string, trash: string): Promise<boolean> {
  if (await isBlock(store, data, hash)) return true;
  if (!(await isBlock(store, trash, hash))) return false;
  return (await store.copy(trash, data)) !== null;
}
