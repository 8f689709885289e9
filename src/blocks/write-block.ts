import { isKeepError, KeepError } from '../keep/errors.ts';
import { mountOrder } from '../keep/rendezvous.ts';
import { keysOf } from '../storage/bucket-layout.ts';
import { isBlock } from '../storage/bucket-volume.ts';
import type { Mount } from '../storage/mounts.ts';
import { fanOut, type Sink } from '../streams/fan-out.ts';
import { compareWithStored } from './compare-with-stored.ts';
import { createPutProgress, type PutProgress } from './put-progress.ts';

export interface WriteRequest {
  /** The MD5 that the body must have, lowercase hex. */
  hash: string;
  /** The body's length in bytes. */
  size: number;
  /** A stream whose length the runtime knows (a request's, a response's, a FixedLengthStream's). Used up or cancelled. */
  body: ReadableStream<Uint8Array>;
  /** Replicas requested per class (in all, when no classes are given). */
  desired: number;
  storageClasses: string[];
  signal?: AbortSignal | undefined;
}

export interface WriteResult {
  replicas: number;
  /** Replicas per storage class. */
  classes: Map<string, number>;
  /** UUIDs of the mounts that have the block now. */
  mounts: string[];
}

/** One write under way: the body can be read once; after that, copies come from a mount that has the block. */
interface Write {
  request: WriteRequest;
  /** Null once it has been used. */
  body: ReadableStream<Uint8Array> | null;
  progress: PutProgress;
  done: Mount[];
  failures: unknown[];
}

/**
 * Stores a block on as many mounts as requested, in one pass and without holding it: the stores themselves refuse a
 * body that is not the block. A block that is already there is compared with the body as it streams, then touched and
 * counted; a copy proven corrupt is replaced. Resolves once the stores have confirmed.
 *
 * @throws KeepError `body_mismatch`, `hash_collision`, `full`, `unavailable`
 */
export async function writeBlock(mounts: Mount[], request: WriteRequest): Promise<WriteResult> {
  const { hash, storageClasses, desired } = request;
  const progress = createPutProgress(storageClasses, Math.max(1, desired));
  const write: Write = { request, body: request.body, progress, done: [], failures: [] };
  const untried = mountOrder(
    hash,
    mounts.filter((mount) => mount.allowWrite),
  );
  try {
    // A round ends with every wanted mount written or failed; a failure makes mounts eligible that were not before.
    for (;;) {
      const { existing, targets } = await survey(write, untried);
      if (existing.length + targets.length === 0) break;
      for (const mount of existing) if (!(await confirmExisting(write, mount))) targets.push(mount);
      await writeTargets(write, targets);
    }
  } finally {
    await write.body?.cancel('not stored').catch(() => undefined);
  }
  if (write.done.length === 0) throw verdict(write.failures);
  return { replicas: progress.replicas(), classes: progress.confirmed(), mounts: write.done.map(({ uuid }) => uuid) };
}

/** Takes from `untried` the mounts still required, counts each, and tells which have an object under the name already. */
async function survey(write: Write, untried: Mount[]): Promise<{ existing: Mount[]; targets: Mount[] }> {
  const existing: Mount[] = [];
  const targets: Mount[] = [];
  for (const mount of [...untried]) {
    if (!write.progress.wants(mount)) continue;
    untried.splice(untried.indexOf(mount), 1);
    try {
      const info = await mount.volume.head(write.request.hash, write.request.signal);
      const isCandidate = info !== null && (info.md5 === null || info.md5 === write.request.hash);
      (isCandidate ? existing : targets).push(mount);
      write.progress.add(mount);
    } catch (error) {
      write.failures.push(error);
    }
  }
  return { existing, targets };
}

/**
 * Counts a mount that has the block already: by comparing the body, or once the body has proven right by the stored
 * copy's own MD5.
 * @returns false when what it has is corrupt and must be replaced
 */
async function confirmExisting(write: Write, mount: Mount): Promise<boolean> {
  const { request } = write;
  try {
    if (write.body !== null) {
      const body = write.body;
      write.body = null;
      write.body = await compareWithStored(mount, request, body);
      if (write.body !== null) return false;
    } else if (!(await isBlock(mount.store, keysOf(request.hash, mount.prefixLength).data, request.hash))) {
      return false;
    }
    await mount.volume.touch(request.hash);
    write.done.push(mount);
  } catch (error) {
    if (isFinal(error)) throw error;
    fail(write, mount, error);
  }
  return true;
}

async function writeTargets(write: Write, targets: Mount[]): Promise<void> {
  const { body } = write;
  if (body === null) {
    for (const mount of targets) await copyFromDone(write, mount);
    return;
  }
  if (targets.length === 0) return;
  write.body = null;
  const results = await Promise.allSettled(putAll(write.request, body, targets));
  for (const [i, mount] of targets.entries()) {
    const result = results[i];
    if (result?.status === 'rejected') {
      if (isFinal(result.reason)) throw result.reason;
      fail(write, mount, result.reason);
    } else write.done.push(mount);
  }
}

/** One promise for each target; the body goes to all of them in lockstep. */
function putAll(
  { hash, size, signal }: WriteRequest,
  body: ReadableStream<Uint8Array>,
  targets: Mount[],
): Promise<void>[] {
  const [only, ...others] = targets;
  if (only !== undefined && others.length === 0) return [only.volume.write(hash, body, { size, signal })];
  const pipes = targets.map(() => new FixedLengthStream(size));
  const puts = targets.map((mount, i) => mount.volume.write(hash, pipes[i]?.readable ?? body, { size, signal }));
  const sinks = pipes.map(({ writable }, i): Sink => {
    const failure = (puts[i] ?? Promise.resolve()).then(() => new Promise<never>(() => undefined));
    failure.catch(() => undefined);
    return { writable, required: false, failure };
  });
  // Each put tells how it went; a body that breaks off fails them all.
  fanOut(body, sinks).catch(() => undefined);
  return puts;
}

/** The body is spent: a mount that has the block gives it to one that wants it. */
async function copyFromDone(write: Write, mount: Mount): Promise<void> {
  const { hash, size, signal } = write.request;
  try {
    const source = await write.done[0]?.volume.read(hash, { signal });
    if (source === null || source === undefined) throw new KeepError('unavailable');
    await mount.volume.write(hash, source.body, { size, signal });
    write.done.push(mount);
  } catch (error) {
    fail(write, mount, error);
  }
}

function fail(write: Write, mount: Mount, error: unknown): void {
  write.failures.push(error);
  write.progress.subtract(mount);
}

/** The body itself is refused: no other mount would take it. */
function isFinal(error: unknown): boolean {
  return (
    isKeepError(error, 'body_mismatch') || isKeepError(error, 'hash_collision') || isKeepError(error, 'client_gone')
  );
}

/** 507 when there was no writable mount or every one was full, else 503. */
function verdict(failures: unknown[]): KeepError {
  if (failures.every((failure) => isKeepError(failure, 'full'))) return new KeepError('full');
  return new KeepError('unavailable', { cause: failures.find((failure) => !isKeepError(failure, 'full')) });
}
