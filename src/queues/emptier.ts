import { UNNAMED } from '../blocks/name-block.ts';
import { describeError } from '../keep/redact.ts';
import { listAll } from '../storage/bucket-index.ts';
import { type EmptyTrashResult, emptyTrash } from '../storage/empty-trash.ts';
import { instrumentStore } from '../storage/instrumented-store.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { sweepDigests } from '../storage/sweep-digests.ts';
import { MAX_CONNECTIONS, STORE_REQUESTS_PER_ALARM } from './platform-limits.ts';

export interface EmptierContext {
  mounts: Mount[];
  /** False: nothing is deleted. */
  isEnabled: boolean;
  intervalSeconds: number;
  ttlSeconds: number;
  lifetimeSeconds: number;
  /** Entries judged at once, at least 1. */
  concurrency: number;
  /** Unix milliseconds now. */
  clock: () => number;
  log: (line: Record<string, unknown>) => void;
}

/** The state of one run over all volumes, kept in storage because the process may end at any time. */
interface Run {
  /** Unix milliseconds. */
  startedAt: number;
  /** UUIDs of the mounts still to do, the current one first. */
  ahead: string[];
  /** The result so far for the first of them. */
  sofar: EmptyTrashResult | null;
  /** Its trash is done, and digests without a block are looked for behind this key. */
  sweepAfter?: string;
}

const RUN_KEY = 'emptying';
const SLICE_MS = 30_000;
const MAX_PROBLEMS = 20;
/** A block set aside for naming longer ago than this was left by a crash. */
const UNNAMED_MAX_AGE_MS = 86_400_000;

/**
 * Empties some of the trash: as much as one invocation can do. A run begins when the interval has passed since the
 * last one began; each slice continues where the one before it stopped.
 * @returns whether there is more to do now
 */
export async function emptySlice(storage: DurableObjectStorage, context: EmptierContext): Promise<boolean> {
  if (!context.isEnabled) return false;
  const run = await currentRun(storage, context);
  const uuid = run.ahead[0];
  if (uuid === undefined) return false;
  const mount = context.mounts.find((candidate) => candidate.uuid === uuid);
  if (mount !== undefined) {
    try {
      if (run.sweepAfter === undefined) {
        const result = await emptySome(mount, run.sofar, context);
        const { resumeAfter } = result;
        if (resumeAfter === null) report(mount, result, context);
        const next = resumeAfter === null ? { sofar: null, sweepAfter: '' } : { sofar: result };
        await storage.put<Run>(RUN_KEY, { ...run, ...next });
        return true;
      }
      const sweepAfter = await sweepSome(mount, run.sweepAfter, context);
      if (sweepAfter !== null) {
        await storage.put<Run>(RUN_KEY, { ...run, sweepAfter });
        return true;
      }
    } catch (error) {
      // The other volumes must not wait for this one; it is tried again in the next run.
      context.log({
        level: 'error',
        msg: `trash of ${mount.deviceId}: not emptied`,
        mount: uuid,
        error: describeError(error),
      });
    }
  }
  const ahead = run.ahead.slice(1);
  await storage.put<Run>(RUN_KEY, { startedAt: run.startedAt, ahead, sofar: null });
  return ahead.length > 0;
}

async function currentRun(
  storage: DurableObjectStorage,
  { mounts, intervalSeconds, clock }: EmptierContext,
): Promise<Run> {
  const last = await storage.get<Run>(RUN_KEY);
  if (last !== undefined && (last.ahead.length > 0 || clock() - last.startedAt < intervalSeconds * 1000)) return last;
  const ahead = mounts.filter(({ allowTrash }) => allowTrash).map(({ uuid }) => uuid);
  return { startedAt: clock(), ahead, sofar: null };
}

async function emptySome(
  mount: Mount,
  sofar: EmptyTrashResult | null,
  context: EmptierContext,
): Promise<EmptyTrashResult> {
  const { ttlSeconds, lifetimeSeconds, concurrency, clock } = context;
  const { prefixLength, raceWindowSeconds } = mount;
  const { store, isTimeUp } = budgeted(mount, clock);
  if (sofar === null && mount.allowWrite) await clearUnnamed(store, clock());
  const result = await emptyTrash(store, {
    ttlSeconds,
    lifetimeSeconds,
    prefixLength,
    raceWindowSeconds,
    concurrency: Math.min(concurrency, MAX_CONNECTIONS),
    clock,
    isTimeUp,
    resumeAfter: sofar?.resumeAfter ?? null,
  });
  if (sofar === null) return result;
  return {
    deletedBlocks: sofar.deletedBlocks + result.deletedBlocks,
    deletedBytes: sofar.deletedBytes + result.deletedBytes,
    remainingBlocks: sofar.remainingBlocks + result.remainingBlocks,
    remainingBytes: sofar.remainingBytes + result.remainingBytes,
    problems: [...sofar.problems, ...result.problems].slice(0, MAX_PROBLEMS),
    resumeAfter: result.resumeAfter,
  };
}

function sweepSome(mount: Mount, after: string, { concurrency, clock }: EmptierContext): Promise<string | null> {
  const { store, isTimeUp } = budgeted(mount, clock);
  const { prefixLength } = mount;
  return sweepDigests(store, { prefixLength, after, concurrency: Math.min(concurrency, MAX_CONNECTIONS), isTimeUp });
}

/** The mount's store, and whether one invocation may ask it for more. */
function budgeted(mount: Mount, clock: () => number) {
  let requests = 0;
  const store = instrumentStore(mount.store, () => {
    requests++;
  });
  const until = clock() + SLICE_MS;
  const isTimeUp = (more: number) => requests + more >= STORE_REQUESTS_PER_ALARM || clock() >= until;
  return { store, isTimeUp };
}

/** Deletes bodies that were set aside and could not be deleted because of a crash, after a day. @param now Unix milliseconds */
export async function clearUnnamed(store: ObjectStore, now: number): Promise<void> {
  for await (const page of listAll(store, UNNAMED)) {
    const old = page.filter(({ modified }) => now - modified >= UNNAMED_MAX_AGE_MS);
    if (old.length > 0) await store.delete(old.map(({ key }) => key));
  }
}

function report({ uuid, deviceId }: Mount, result: EmptyTrashResult, { log }: EmptierContext): void {
  const { deletedBytes, deletedBlocks, remainingBytes, remainingBlocks, problems } = result;
  log({
    level: problems.length > 0 ? 'warn' : 'info',
    msg: `trash of ${deviceId}: deleted ${deletedBytes} bytes in ${deletedBlocks} blocks, kept ${remainingBytes} bytes in ${remainingBlocks} blocks`,
    mount: uuid,
    deletedBytes,
    deletedBlocks,
    remainingBytes,
    remainingBlocks,
    ...(problems.length === 0 ? {} : { problems }),
  });
}
