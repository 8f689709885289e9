import type { Mount } from '../storage/mounts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { collectSlice, type NamedSource } from './collect.ts';
import { type Copy, type Decision, decide, wantedPerClass } from './decide.ts';
import { confirmSlice, type FinishContext, sendLists, trashedSlice, usageSlice } from './finish.ts';
import { joinSlice, placeOf, talliesKey } from './join.ts';
import { MAX_MERGED_RUNS, mergedWords, mergeRuns } from './merge.ts';
import { devicesOf } from './mount-index.ts';
import type { RecordFile } from './record-reader.ts';
import { REFERENCE_BYTES } from './references.ts';
import type { LostBlock, Run, RunRows } from './runs.ts';
import { loadTallies, type Tallies } from './tallies.ts';
import { UnnamedReader } from './unnamed.ts';

export interface BalancerContext extends FinishContext {
  sources: readonly NamedSource[];
  mounts: readonly Mount[];
  /** Seconds. */
  ttlSeconds: number;
  trashLimit: number;
  pullLimit: number;
  /** References sorted at once; for tests. */
  capacity?: number;
}

/** Keeps the tallies of a run in memory from one slice to the next. */
export interface TalliesCache {
  run: number;
  tallies: Tallies;
}

/**
 * One slice of a run, short enough for one alarm. What a slice has done is recorded at its end: a process that dies in
 * between does that slice again, and nothing else.
 */
export async function balanceSlice(
  run: Run,
  context: BalancerContext,
  cache: { current: TalliesCache | null },
): Promise<Run> {
  const { rows, store } = context;
  switch (run.phase) {
    case 'collect':
      return collectSlice(run, context);
    case 'compact':
      return compactSlice(run, context);
    case 'join': {
      const tallies = await talliesOf(run, context, cache);
      const done = rows.lastDone();
      const earlierUnnamed = done === null ? [] : rows.files(done.id, 'unnamed');
      // A slice that fails half-way has counted blocks that it will count again.
      cache.current = null;
      const next = await joinSlice(run, { ...context, mounts: devicesOf(context.mounts), tallies, earlierUnnamed });
      cache.current = { run: run.id, tallies };
      return next;
    }
    case 'trashed':
      return trashedSlice(run, devicesOf(context.mounts), context);
    case 'confirm':
      return confirmSlice(run, await talliesOf(run, context, cache), context);
    case 'usage':
      return usageSlice(run, await talliesOf(run, context, cache), context);
    case 'lists': {
      const next = await sendLists(run, context);
      cache.current = null;
      if (next.phase === 'done') await forgetEarlier(rows, store, next.id);
      return next;
    }
    default:
      return run;
  }
}

/** Sends the lists of a run that waits for an admin's consent. */
export async function confirmRun(run: Run, context: BalancerContext): Promise<Run> {
  const next = await sendLists(run, context, true);
  if (next.phase === 'done') await forgetEarlier(context.rows, context.store, next.id);
  return next;
}

async function talliesOf(run: Run, { rows, store }: BalancerContext, cache: { current: TalliesCache | null }) {
  if (cache.current?.run === run.id) return cache.current.tallies;
  const isFirst = run.phase === 'join' && run.cursor === '';
  const tallies = await loadTallies(rows, store, run.id, isFirst ? null : talliesKey(run.id, run.step));
  cache.current = { run: run.id, tallies };
  return tallies;
}

/** Merges sorted files until few enough are left to be read side by side. */
async function compactSlice(run: Run, { rows, store, until, clock }: BalancerContext): Promise<Run> {
  let files = rows.files(run.id, 'names');
  let step = run.step;
  while (files.length > MAX_MERGED_RUNS && clock() < until) {
    const group = files.slice(0, MAX_MERGED_RUNS);
    const merged = await mergeFiles(store, `balance/${run.id}/merged-${step}`, group);
    files = [...files.slice(MAX_MERGED_RUNS), merged];
    step++;
    const replaced = files;
    rows.save({ ...run, step }, () => rows.replaceFiles(run.id, 'names', replaced));
    await store.delete(group.map(({ key }) => key));
  }
  const isOver = files.length <= MAX_MERGED_RUNS;
  const next: Run = { ...run, step, phase: isOver ? 'join' : 'compact', cursor: '' };
  rows.save(next);
  return next;
}

async function mergeFiles(store: ObjectStore, key: string, files: RecordFile[]): Promise<RecordFile> {
  const count = files.reduce((sum, file) => sum + file.count, 0);
  const pipe = new FixedLengthStream(count * REFERENCE_BYTES);
  const writing = (async () => {
    const writer = pipe.writable.getWriter();
    for await (const words of mergedWords(store, files))
      await writer.write(new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
    await writer.close();
  })();
  await Promise.all([store.put(key, pipe.readable, { size: count * REFERENCE_BYTES }), writing]);
  return { key, count };
}

/** Only the last run's files are needed: for the next run, and to explain. */
async function forgetEarlier(rows: RunRows, store: ObjectStore, keep: number): Promise<void> {
  for (let isDone = false; !isDone; ) {
    const step = rows.forget(keep);
    if (step.keysToDelete.length > 0) await store.delete(step.keysToDelete);
    isDone = step.isDone;
    await scheduler.wait(0);
  }
}

export interface Explanation {
  hash: string;
  /** The run that the answer is drawn from; null when there has been none. */
  run: number | null;
  runAt: string | null;
  size: number | null;
  namedBy: { uuids: string[]; count: number };
  wanted: Record<string, number>;
  /** Since when no collection names it; null when one does, or when the run did not see it. */
  unnamedSince: string | null;
  copies: { mount: string; mtime: string }[];
  /** In words, for people. */
  verdict: string;
}

const UUIDS_NAMED = 20;

/** Why a block is kept or not, as the last run that came to its end saw it; the copies are looked up now. */
export async function explain(hash: string, context: BalancerContext): Promise<Explanation> {
  const { rows, store, ttlSeconds, clock } = context;
  const run = rows.lastDone();
  const named = run === null ? null : await findNamed(rows, store, run, hash);
  const since = run === null ? null : await new UnnamedReader(store, rows.files(run.id, 'unnamed')).since(hash);
  const places = devicesOf(context.mounts).map((mount) => ({ mount, place: placeOf(mount) }));
  const copies: Copy[] = [];
  for (const { mount, place } of places) {
    const mtime = await mount.volume.mtime(hash);
    if (mtime !== null) copies.push({ place, mtime });
  }
  const wants = run === null ? [] : rows.wants(run.id);
  const wanted = named === null ? {} : wantedPerClass(named.wants.flatMap((number) => wants[number] ?? []));
  const minMtime = Math.floor(clock() / 1000) - ttlSeconds;
  const decision = decide(
    hash,
    wanted,
    copies,
    places.map(({ place }) => place),
    minMtime,
  );
  const numbers = [...(named?.collections.subarray(0, UUIDS_NAMED) ?? [])];
  return {
    hash,
    run: run?.id ?? null,
    runAt: run === null ? null : isoOf(run.startedAt / 1000),
    size: named?.size ?? null,
    namedBy: {
      uuids: run === null ? [] : numbers.flatMap((number) => rows.members(run.id, number, 1)[0]?.uuid ?? []),
      count: named?.collections.length ?? 0,
    },
    wanted,
    unnamedSince: since === null ? null : isoOf(since),
    copies: copies.map(({ place, mtime }) => ({ mount: place.uuid, mtime: isoOf(mtime) })),
    verdict: verdictOf({ run, isNamed: named !== null, since, copies, decision, ttlSeconds, now: clock() / 1000 }),
  };
}

async function findNamed(rows: RunRows, store: ObjectStore, run: Run, hash: string) {
  for await (const [block] of mergeRuns(store, rows.files(run.id, 'names'), hash, 1))
    return block?.hash === hash ? block : null;
  return null;
}

interface Facts {
  run: Run | null;
  isNamed: boolean;
  since: number | null;
  copies: Copy[];
  decision: Decision;
  ttlSeconds: number;
  now: number;
}

function verdictOf({ run, isNamed, since, copies, decision, ttlSeconds, now }: Facts): string {
  if (run === null) return 'No run has ended yet: start one with keep-edge balance --dry-run.';
  if (isNamed && copies.length === 0) return 'Lost: collections name it, and no mount has a copy.';
  if (isNamed && decision.isUnderreplicated)
    return `Kept, with too few copies: ${decision.pull.length > 0 ? `a copy will be made on ${decision.pull.map(({ uuid }) => uuid).join(', ')}` : 'no writable mount can take another one'}.`;
  if (isNamed && decision.trash.length > 0)
    return `Kept, with more copies than wanted: those on ${decision.trash.map(({ place }) => place.uuid).join(', ')} will be trashed.`;
  if (isNamed) return 'Kept: collections name it, and it has the copies they want.';
  if (copies.length === 0) return 'Not stored, and no collection named it at the last run.';
  if (since === null) return 'Kept for now: it is newer than the last run.';
  const due = Math.max(since, ...copies.map(({ mtime }) => mtime)) + ttlSeconds;
  if (due > now)
    return `Kept for now: no collection names it; it can be trashed by a run that starts after ${isoOf(due)}, when signatures given out for it have expired.`;
  return 'No collection names it, and signatures for it have expired: the next run trashes it.';
}

function isoOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

export function lostBlocks(rows: RunRows, run: number): LostBlock[] {
  return rows.problems(run, 'lost').map(({ subject, detail }) => {
    const [hash = '', size = '0'] = subject.split('+');
    return { hash, size: Number(size), collections: (detail as { collections: string[] }).collections };
  });
}
