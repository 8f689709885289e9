import { cursorOf, listAll } from './bucket-index.ts';
import { hashOfDataKey, keysOf, RECENT, seconds, TRASH } from './bucket-layout.ts';
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
  /** Checked between batches: whether to stop and return `resumeAfter`, when so many more requests are to be made. */
  isTimeUp: (more: number) => boolean;
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
  const run: Run = { store, options, startedAt, result, due: [] };
  const markers = cursorOf(listAll(store, RECENT, startAfter && RECENT + startAfter.slice(TRASH.length)));
  for await (const page of listAll(store, TRASH, startAfter)) {
    for (let i = 0; i < page.length; i += options.concurrency) {
      const batch = page.slice(i, i + options.concurrency);
      const doubtful: ObjectInfo[] = [];
      for (const object of batch) {
        const marker = await markers.seek(RECENT + object.key.slice(TRASH.length));
        if (isToStay(object, marker, run)) keep(run, object);
        else doubtful.push(object);
      }
      await Promise.all(doubtful.map((object) => judgeOne(run, object)));
      if (run.due.length >= MAX_KEYS_PER_DELETE) await deleteDue(run);
      if (options.isTimeUp(run.due.length + 2)) {
        await deleteDue(run);
        return { ...result, resumeAfter: batch.at(-1)?.key ?? null };
      }
    }
  }
  await deleteDue(run);
  return result;
}

/** Keys of one delete request. */
const MAX_KEYS_PER_DELETE = 1000;

/** One run, with what was judged and is to be deleted. */
interface Run {
  store: ObjectStore;
  options: EmptyTrashOptions;
  startedAt: number;
  result: EmptyTrashResult;
  due: { hash: string; trashed: ObjectInfo }[];
}

function keep({ result }: Run, { size }: ObjectInfo): void {
  result.remainingBlocks++;
  result.remainingBytes += size;
}

function note({ result }: Run, hash: string, error: unknown): void {
  if (result.problems.length < MAX_PROBLEMS)
    result.problems.push(`${hash}: ${error instanceof Error ? error.message : String(error)}`);
}

/** Most of the trash is younger than its lifetime: the listings say so, and nothing is done to it. */
function isToStay(trashed: ObjectInfo, marker: ObjectInfo | null, { options, startedAt }: Run): boolean {
  const trashedAt = seconds(trashed);
  if (marker === null || startedAt - trashedAt >= options.lifetimeSeconds) return false;
  return trashedAt - seconds(marker) >= options.ttlSeconds;
}

async function judgeOne(run: Run, trashed: ObjectInfo): Promise<void> {
  const { store, options, startedAt } = run;
  const hash = hashOfDataKey(trashed.key.slice(TRASH.length), options.prefixLength);
  if (hash === null) return;
  try {
    const verdict = await judge(store, hash, trashed, options, startedAt);
    if (verdict === 'due') run.due.push({ hash, trashed });
    else if (verdict === 'kept') keep(run, trashed);
    else countDeleted(run, trashed);
  } catch (error) {
    note(run, hash, error);
    keep(run, trashed);
  }
}

function countDeleted({ result }: Run, { size }: ObjectInfo): void {
  result.deletedBlocks++;
  result.deletedBytes += size;
}

/** Deletes copies by lists, and then the markers of those whose data is gone. */
async function deleteDue(run: Run): Promise<void> {
  const { store, options, due } = run;
  if (due.length === 0) return;
  run.due = [];
  const keys = (hash: string) => keysOf(hash, options.prefixLength);
  try {
    await store.delete(due.map(({ hash }) => keys(hash).trash));
  } catch (error) {
    // A list may be done in part: what is left of it is found by the next run.
    note(run, due[0]?.hash ?? '', error);
    for (const { trashed } of due) keep(run, trashed);
    return;
  }
  const gone: string[] = [];
  for (let i = 0; i < due.length; i += options.concurrency) {
    const batch = due.slice(i, i + options.concurrency);
    await Promise.all(
      batch.map(async ({ hash, trashed }) => {
        countDeleted(run, trashed);
        try {
          // The marker of a live block protects it from the next trash list: keep it.
          if ((await store.head(keys(hash).data)) === null) gone.push(keys(hash).recent);
        } catch (error) {
          note(run, hash, error);
        }
      }),
    );
  }
  if (gone.length > 0) await store.delete(gone).catch((error: unknown) => note(run, 'markers', error));
}

async function judge(
  store: ObjectStore,
  hash: string,
  listed: ObjectInfo,
  options: EmptyTrashOptions,
  startedAt: number,
): Promise<'kept' | 'gone' | 'due'> {
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
  if (current === null) return 'gone';
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
  return 'due';
}

/** Makes sure that a good copy is live, restored from trash if necessary; false when neither copy is good. */
async function restore(store: ObjectStore, hash: string, data: string, trash: string): Promise<boolean> {
  if (await isBlock(store, data, hash)) return true;
  if (!(await isBlock(store, trash, hash))) return false;
  return (await store.copy(trash, data)) !== null;
}
