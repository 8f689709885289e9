import { isKeepError, KeepError } from '../keep/errors.ts';
import { mountOrder } from '../keep/rendezvous.ts';
import { keysOf } from '../storage/bucket-layout.ts';
import { isBlock } from '../storage/bucket-volume.ts';
import type { Mount } from '../storage/mounts.ts';
import { blockBodies, tryHold } from '../streams/body-budgets.ts';
import { chunksOf } from '../streams/chunks.ts';
import { fanOut, type Sink } from '../streams/fan-out.ts';
import { md5OfStream } from '../streams/md5-stream.ts';
import { SMALL_BLOCK_BYTES } from '../streams/verify.ts';
import { compareWithStored } from './compare-with-stored.ts';
import type { DigestStore } from './digest-store.ts';
import { createPutProgress, type PutProgress } from './put-progress.ts';
import { createTurns } from './turns.ts';
import { digestsOnTheWay } from './write-digests.ts';

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
  /** Where digests of a large block are kept as it is written. Null, or absent: the first range that is read makes them. */
  digests?: DigestStore | null;
}

export interface WriteResult {
  replicas: number;
  /** Replicas per storage class. */
  classes: Map<string, number>;
  /** UUIDs of the mounts that have the block now. */
  mounts: string[];
}

/**
 * Writes of large blocks. A second write of one block waits with its body unread, and then compares it with what the
 * first one stored. Writes in other isolates are noticed by the store, when the body is spent.
 */
const WRITES = createTurns(10_000);

/** One write under way: the body can be read once; after that, copies come from a mount that has the block. */
interface Write {
  request: WriteRequest;
  /** Null once it has been used. */
  body: ReadableStream<Uint8Array> | null;
  /** The whole body of a small block, which can be compared again; null for a large one. */
  bytes: Uint8Array | null;
  /** Mounts whose copy is known to be corrupt: it is replaced. */
  corrupt: Set<Mount>;
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
  const held = blockBodies.reserve();
  // While very many arrive, a small block is sent on as it comes, like a large one.
  const refuse = (error: unknown) => {
    held.release();
    throw error;
  };
  const isWhole = request.size <= SMALL_BLOCK_BYTES && tryHold(held, request.size);
  const bytes = isWhole ? await bytesOf(request).catch(refuse) : null;
  const body = bytes === null ? request.body : streamOf(bytes);
  const write: Write = { request, body, bytes, corrupt: new Set(), progress, done: [], failures: [] };
  const order = mountOrder(
    hash,
    mounts.filter((mount) => mount.allowWrite),
  );
  const untried = [...order];
  try {
    // A round ends with every wanted mount written or failed; a failure makes mounts eligible that were not before.
    for (;;) {
      const { existing, targets } = await survey(write, untried);
      if (existing.length + targets.length === 0) break;
      // Nothing is awaited between this and its own turn, or two could pass at once.
      if (targets.length > 0 && write.body !== null && bytes === null && WRITES.isTaken(hash)) {
        await WRITES.wait(hash, request.signal);
        for (const mount of [...existing, ...targets]) progress.subtract(mount);
        untried.push(...existing, ...targets);
        untried.sort((a, b) => order.indexOf(a) - order.indexOf(b));
        continue;
      }
      for (const mount of existing) if (!(await confirmExisting(write, mount))) targets.push(mount);
      if (bytes !== null || targets.length === 0) await writeTargets(write, targets);
      else await WRITES.take(hash, () => writeTargets(write, targets));
    }
  } finally {
    held.release();
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
    if (write.bytes !== null) {
      // Its store is not asked first: it says so when something is under the name, and the body is still at hand.
      targets.push(mount);
      write.progress.add(mount);
      continue;
    }
    try {
      // Not the volume's head: bringing back a trashed copy would cost requests, and the block is at hand.
      const { hash, signal } = write.request;
      const info = await mount.store.head(keysOf(hash, mount.prefixLength).data, signal);
      const isCandidate = info !== null && (info.md5 === null || info.md5 === hash);
      if (info !== null && !isCandidate) write.corrupt.add(mount);
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
      const again = await compareWithStored(mount, request, body);
      write.body = again ?? (write.bytes === null ? null : streamOf(write.bytes));
      if (again !== null) {
        write.corrupt.add(mount);
        return false;
      }
    } else if (!(await isBlock(mount.store, keysOf(request.hash, mount.prefixLength).data, request.hash))) {
      write.corrupt.add(mount);
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
  if (targets.length === 0) return;
  const { body, bytes } = write;
  write.body = null;
  const puts =
    bytes !== null ? putBytes(write, bytes, targets) : body !== null ? putStream(write, body, targets) : null;
  const results = puts === null ? await copyToEach(write, targets) : await Promise.allSettled(puts);
  if (bytes !== null) await body?.cancel();
  const preceded: Mount[] = [];
  for (const [i, mount] of targets.entries()) {
    const result = results[i];
    if (result?.status === 'rejected') {
      if (isFinal(result.reason)) throw result.reason;
      fail(write, mount, result.reason);
    } else if (result?.value === 'exists') preceded.push(mount);
    else write.done.push(mount);
  }
  // With the body in memory the copies that came first are compared with that, else with a copy that was just made.
  for (const mount of preceded) await confirmPreceding(write, mount);
}

type Written = Promise<'written' | 'exists'>;

function put({ request, corrupt }: Write, mount: Mount, content: ReadableStream<Uint8Array> | Uint8Array): Written {
  const { hash, size, signal } = request;
  return mount.volume.write(hash, content, { size, replace: corrupt.has(mount), signal });
}

function putBytes(write: Write, bytes: Uint8Array, targets: Mount[]): Written[] {
  return targets.map((mount) => put(write, mount, bytes));
}

/** One promise for each target; the body goes to all of them in lockstep. */
function putStream(write: Write, body: ReadableStream<Uint8Array>, targets: Mount[]): Written[] {
  const { hash, size, digests: digestStore } = write.request;
  const [only, ...others] = targets;
  // Natively, where nothing here has to see the bytes.
  if (only !== undefined && others.length === 0 && !digestStore) return [put(write, only, body)];
  const pipes = targets.map(() => new FixedLengthStream(write.request.size));
  const puts = targets.map((mount, i) => put(write, mount, pipes[i]?.readable ?? body));
  const sinks = pipes.map(({ writable }, i): Sink => {
    const failure = (puts[i] ?? Promise.resolve()).then(() => new Promise<never>(() => undefined));
    failure.catch(() => undefined);
    return { writable, required: false, failure };
  });
  const digests = digestsOnTheWay(digestStore, { hash, size }, puts);
  // Each put tells how it went; a body that breaks off fails them all.
  const passed = fanOut(body, digests === null ? sinks : [...sinks, digests.sink]);
  passed.catch(() => undefined);
  void Promise.allSettled(puts).then((results) => {
    const written = targets.filter((_, i) => {
      const result = results[i];
      return result?.status === 'fulfilled' && result.value === 'written';
    });
    if (written.length > 0) digests?.keep(written, passed);
  });
  return puts;
}

/** The body is spent: a mount that has the block gives it to those that require it, one after the other. */
async function copyToEach(write: Write, targets: Mount[]): Promise<PromiseSettledResult<Awaited<Written>>[]> {
  const results: PromiseSettledResult<Awaited<Written>>[] = [];
  for (const mount of targets) {
    const copy = async () => put(write, mount, await copyOfDone(write));
    results.push(...(await Promise.allSettled([copy()])));
  }
  return results;
}

/** The block once more, as a mount has it that this write is sure of. @throws KeepError unavailable */
async function copyOfDone({ request: { hash, signal }, done }: Write): Promise<ReadableStream<Uint8Array>> {
  const source = await done[0]?.volume.read(hash, { signal });
  if (source === null || source === undefined) throw new KeepError('unavailable');
  return source.body;
}

/**
 * Another write of this name ended first on a mount. It counts once it is shown to be of the same bytes. Without
 * anything to compare it with, the client is to send the block again: it is compared then.
 */
async function confirmPreceding(write: Write, mount: Mount): Promise<void> {
  const { request, bytes, done } = write;
  try {
    // A copy that is bad in the same way proves nothing.
    if (bytes !== null && (await md5OfStream(streamOf(bytes))) !== request.hash) throw new KeepError('body_mismatch');
    if (bytes === null && done.length === 0) throw new KeepError('unavailable', { cause: new Error(PRECEDED) });
    const mine = bytes === null ? await copyOfDone(write) : streamOf(bytes);
    const rest = await compareWithStored(mount, request, mine);
    if (rest !== null) await mount.volume.write(request.hash, rest, { ...request, replace: true });
    else await mount.volume.touch(request.hash);
    done.push(mount);
  } catch (error) {
    if (isFinal(error)) throw error;
    fail(write, mount, error);
  }
}

const PRECEDED = 'another write of this block ended first, and this one was too large to be compared with it';

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

/** @throws KeepError `body_mismatch` when the body is shorter than announced */
async function bytesOf({ body, size }: WriteRequest): Promise<Uint8Array> {
  const bytes = (await chunksOf(body).next(undefined, Math.max(1, size))) ?? new Uint8Array(0);
  if (bytes.byteLength !== size) throw new KeepError('body_mismatch');
  return bytes;
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Response(bytes).body ?? new ReadableStream();
}
