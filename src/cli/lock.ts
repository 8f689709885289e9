import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { CliError } from './cli-error.ts';
import { exists, livenessOf, ownIdentity, type ProcessIdentity } from './process-identity.ts';
import { note, showName } from './terminal.ts';

/**
 * A lock file that one process holds at a time. It names its owner, and the owner touches it every two seconds. An
 * owner that is known to be dead loses it at once; one that cannot be looked at (another container, another machine,
 * the time before a reboot, a file without contents) loses it when it has not touched it for 20 seconds.
 */
export interface Lock {
  /** @throws CliError when another process has taken the lock, because this one stood still for too long */
  check(): void;
  release(): void;
}

export interface LockTimes {
  beatMs: number;
  /** An owner that has not touched its lock for so long is dead. */
  patienceMs: number;
}

const TIMES: LockTimes = { beatMs: 2_000, patienceMs: 20_000 };
const LOOK_EVERY_MS = 250;
const RETRY_MS = 10;
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/**
 * Takes a lock, waiting for as long as it is not known whether its owner is alive.
 * @param doing what the owner does, for messages: `uploading the same paths`
 * @param options.shown the file's path in messages
 * @throws CliError when another process holds it
 */
export async function takeLock(
  file: string,
  doing: string,
  { times = TIMES, shown = file }: { times?: LockTimes | undefined; shown?: string } = {},
): Promise<Lock> {
  let first: Found | null = null;
  let since = 0;
  for (;;) {
    const { lock, found, now } = tryOnce(file, times);
    if (lock !== null) return lock;
    if (found === null) {
      await setTimeout(RETRY_MS);
      continue;
    }
    if (found.liveness === 'alive') throw heldBy(found, shown, doing);
    if (first === null || first.text !== found.text || first.inode !== found.inode) {
      if (first === null)
        note(
          `${showName(shown)} may be a leftover: waiting ${times.patienceMs / 1000} s to see whether its owner lives.`,
        );
      first = found;
      since = performance.now();
    } else if (found.touched !== first.touched) throw heldBy(found, shown, doing);
    else if (performance.now() - since > times.patienceMs) removeStale(file, found, now, times);
    await setTimeout(LOOK_EVERY_MS);
  }
}

/** The lock, or null unless it is free or its owner is known to be dead. */
export function tryLock(file: string, times: LockTimes = TIMES): Lock | null {
  for (let attempt = 0; attempt < 3; attempt++) {
    const { lock, found } = tryOnce(file, times);
    if (lock !== null || found !== null) return lock;
  }
  return null;
}

interface Found {
  text: string;
  inode: number;
  /** Modification time, by the clock of the file system. */
  touched: number;
  liveness: ReturnType<typeof livenessOf>;
  owner: ProcessIdentity | null;
}

/** Both null: what was in the way is gone, try again. `now` is the time by the clock of the file system. */
function tryOnce(file: string, times: LockTimes): { lock: Lock | null; found: Found | null; now: number } {
  const text = `${JSON.stringify({ ...ownIdentity(), id: randomBytes(12).toString('hex') })}\n`;
  const { made, now } = create(file, text);
  if (made) return { lock: hold(file, text, times), found: null, now };
  const found = look(file);
  if (found === null) return { lock: null, found: null, now };
  const isOld = now - found.touched > times.patienceMs;
  if (found.liveness === 'alive' || (found.liveness === 'unknown' && !isOld)) return { lock: null, found, now };
  removeStale(file, found, now, times);
  return { lock: null, found: null, now };
}

/** The file appears with its contents, or not at all. `now` is the time by the clock of the file system. */
function create(file: string, text: string): { made: boolean; now: number } {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
  try {
    const now = statSync(draft).mtimeMs;
    try {
      linkSync(draft, file);
      return { made: true, now };
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return { made: false, now };
      if (!NO_LINKS.has(code)) throw error;
    }
    return { made: createUnlinked(file, text), now };
  } finally {
    rmSync(draft, { force: true });
  }
}

function createUnlinked(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function look(file: string): Found | null {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const text = readFileSync(descriptor, 'utf8');
    const { ino: inode, mtimeMs: touched } = fstatSync(descriptor);
    return { text, inode, touched, ...ownerIn(text) };
  } finally {
    closeSync(descriptor);
  }
}

function ownerIn(text: string): Pick<Found, 'liveness' | 'owner'> {
  // Version 0.1 wrote its process number alone, and did not touch the file.
  if (/^\d+$/.test(text)) return { liveness: exists(Number(text)) ? 'unknown' : 'dead', owner: null };
  try {
    const owner = JSON.parse(text) as ProcessIdentity;
    return { liveness: livenessOf(owner), owner };
  } catch {
    return { liveness: 'unknown', owner: null };
  }
}

/**
 * Removes a lock that was found stale, unless it is another one by now. One process at a time does so: of two, the
 * slower would remove the lock that the faster has just taken. Does nothing while another process is at it.
 */
function removeStale(file: string, found: Found, now: number, { patienceMs }: LockTimes): void {
  const guard = `${file}.removing`;
  if (!createUnlinked(guard, '')) {
    removeOldGuard(guard, now - patienceMs);
    return;
  }
  try {
    const now = look(file);
    if (now !== null && now.inode === found.inode && now.text === found.text) rmSync(file, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

/** A process that was killed in removeStale leaves its guard behind. */
function removeOldGuard(guard: string, before: number): void {
  const touched = statSync(guard, { throwIfNoEntry: false })?.mtimeMs;
  if (touched !== undefined && touched < before) rmSync(guard, { force: true });
}

function hold(file: string, text: string, { beatMs }: LockTimes): Lock {
  let isLost = false;
  const beat = () => {
    try {
      // By writing, so that the file system's own clock sets the time.
      const descriptor = openSync(file, 'r+');
      try {
        if (readFileSync(descriptor, 'utf8') === text) writeSync(descriptor, text, 0);
        else isLost = true;
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      // The file was deleted: the lock is made again unless another process was faster.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') isLost = !remake();
    }
  };
  const remake = () => {
    try {
      return create(file, text).made;
    } catch {
      // The directory is gone too: nothing is left to be protected from another process.
      return true;
    }
  };
  const timer = setInterval(beat, beatMs);
  timer.unref();
  return {
    check() {
      if (isLost) throw new CliError(`Another keep-edge has taken over: this one stood still for too long.`);
    },
    release() {
      clearInterval(timer);
      try {
        if (readFileSync(file, 'utf8') === text) rmSync(file, { force: true });
      } catch {
        // It is gone already.
      }
    },
  };
}

function heldBy({ owner, text }: Found, file: string, doing: string): CliError {
  const who = owner === null ? `process ${text.trim() || 'unknown'}` : `process ${owner.pid} on ${owner.host}`;
  return new CliError(`Another keep-edge (${who}) is ${doing}. If that is not so, remove ${showName(file)}.`);
}
