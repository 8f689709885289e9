import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { nameBytes } from '../../keep/manifest/names.ts';
import { reasonOf } from '../block-jobs.ts';
import { CliError } from '../cli-error.ts';
import { fsPath } from '../fs-path.ts';
import { type Lock, takeLock } from '../lock.ts';
import { showName } from '../terminal.ts';
import { type Place, placesBelow } from './places.ts';

/**
 * A directory into which files are fetched. They grow in a private directory of ours in it, where no other user and no
 * name of the collection can get in the way, and are moved to their place when they are complete. No symbolic link
 * below the directory is followed: what is written stays in it.
 */
export interface Destination {
  /** Where a file grows: a path in the private directory. */
  partOf(name: string): string;
  /** The file in the private directory, if an earlier run began it. */
  begun(name: string): Stats | null;
  /** Makes a directory, and those above it. @throws CliError when something else, such as a link, is there */
  makeDirectory(name: string): void;
  /** Bytes that can still be written there; null where that is not known. */
  freeBytes(): number | null;
  /**
   * Moves a complete file, which grew at `part`, to its place.
   * @returns false, with nothing changed, when another file is there that may not be replaced
   */
  putInPlace(part: string, name: string, force: boolean): boolean;
  /** @param complete every file is in its place: the private directory goes */
  close(complete: boolean): void;
}

const { O_NOFOLLOW = 0, O_RDONLY, O_WRONLY, O_CREAT, O_EXCL } = constants;
const COPY_BYTES = 1 << 20;
const OTHERS = 0o077;
const LOCK = 'lock';
/** Parts, and what a process that was killed while it took the lock has left. */
const OURS = /^[0-9a-f]{40}$|^lock\.[0-9a-f]{12}$/;
const READ_ONLY = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT']);

/** Name of the private directory. Another source has another, and it is never a name of the files to be fetched. */
export function privateName(source: string, names: Iterable<string>): string {
  const digest = createHash('sha1').update(nameBytes(source)).digest('hex').slice(0, 16);
  const taken = new Set<string>();
  // File systems may take upper and lower case for the same.
  for (const name of names) taken.add((name.split('/')[0] ?? '').toLowerCase());
  let name = `.keep-edge-get-${digest}`;
  for (let number = 2; taken.has(name); number++) name = `.keep-edge-get-${digest}-${number}`;
  return name;
}

/** Path of a growing file in the private directory. */
export function partName(name: string): string {
  return createHash('sha1').update(nameBytes(name)).digest('hex');
}

/** @param root is made if needed; links that lead to it are followed */
export async function openDestination(root: string, own: string): Promise<Destination> {
  const places = placesBelow(root);
  const shown = join(root, own);
  let stage: Place | null = null;
  let lock: Lock | null = null;
  let obstacle: CliError | null = null;
  try {
    stage = openPrivate(places.root, own, shown);
    lock = await takeLock(join(stage.path, LOCK), 'fetching the same files', { shown: join(shown, LOCK) });
  } catch (error) {
    // Nothing may have to be written: what is there already is only looked at.
    if (READ_ONLY.has((error as NodeJS.ErrnoException).code ?? ''))
      obstacle = new CliError(`${showName(root)}: ${reasonOf(error)}`);
    else {
      stage?.close();
      places.close();
      throw error;
    }
  }
  const earlier = new Set(stage === null ? [] : readdirSync(fsPath(stage.path)));
  earlier.delete(LOCK);
  const partOf = (name: string) => {
    if (stage === null) throw obstacle;
    if (!stage.isSame()) throw new CliError(`${showName(shown)} has been replaced meanwhile.`);
    return `${stage.path}/${partName(name)}`;
  };

  return {
    partOf,
    begun: (name) => (earlier.size > 0 && earlier.has(partName(name)) ? statOrNull(partOf(name)) : null),
    makeDirectory: (name) => void places.directory(name),
    freeBytes: () => freeBytes(places.root.path),
    putInPlace(part, name, force) {
      const slash = name.lastIndexOf('/');
      const directory = places.directory(slash < 0 ? '' : name.slice(0, slash));
      return moveInto(part, `${directory.path}/${name.slice(slash + 1)}`, force, () => join(root, name));
    },
    close(complete) {
      lock?.release();
      if (stage !== null) {
        try {
          if (complete && stage.isSame())
            for (const name of readdirSync(stage.path)) if (OURS.test(name)) unlinkSync(join(stage.path, name));
          rmdirSync(fsPath(join(places.root.path, own)));
        } catch {
          // It holds files that the next run goes on with, or is gone.
        }
        stage.close();
      }
      places.close();
    },
  };
}

function freeBytes(path: string): number | null {
  try {
    const { bsize, blocks, bfree, bavail } = statfsSync(fsPath(path));
    // Some network file systems tell nothing.
    if (blocks === 0) return null;
    return bsize * (process.getuid?.() === 0 ? bfree : bavail);
  } catch {
    return null;
  }
}

function openPrivate(root: Place, own: string, shown: string): Place {
  try {
    mkdirSync(fsPath(join(root.path, own)), { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const stage = root.open(own);
  if (stage !== null) {
    const { uid, mode } = stage.stats;
    const isPrivate = process.getuid === undefined || (uid === process.getuid() && (mode & OTHERS) === 0);
    if (isPrivate) return stage;
    stage.close();
  }
  throw new CliError(`${showName(shown)} is not a private directory of yours: remove it.`);
}

function statOrNull(path: string): Stats | null {
  return lstatSync(fsPath(path), { throwIfNoEntry: false }) ?? null;
}

function moveInto(part: string, target: string, force: boolean, shown: () => string): boolean {
  try {
    if (force) renameSync(fsPath(part), fsPath(target));
    else if (!moveUnlessThere(part, target)) return settleExisting(part, target);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EXDEV') throw new CliError(`${showName(shown())}: ${reasonOf(error)}`);
  }
  // A mount point below the root: the last step must happen within the file system of the target.
  const near = join(dirname(target), `.keep-edge-${randomBytes(8).toString('hex')}`);
  try {
    copyFile(part, near);
    const isMoved = moveInto(near, target, force, shown);
    unlinkSync(fsPath(part));
    return isMoved;
  } finally {
    rmSync(fsPath(near), { force: true });
  }
}

function moveUnlessThere(part: string, target: string): boolean {
  if (statOrNull(target) !== null) return false;
  renameSync(fsPath(part), fsPath(target));
  return true;
}

function settleExisting(part: string, target: string): boolean {
  const isSame = haveSameBytes(part, target);
  unlinkSync(fsPath(part));
  return isSame;
}

function haveSameBytes(one: string, other: string): boolean {
  if (statOrNull(other)?.isFile() !== true) return false;
  const a = openSync(fsPath(one), O_RDONLY | O_NOFOLLOW);
  try {
    const b = openSync(fsPath(other), O_RDONLY | O_NOFOLLOW);
    try {
      return compareBytes(a, b);
    } finally {
      closeSync(b);
    }
  } finally {
    closeSync(a);
  }
}

function compareBytes(a: number, b: number): boolean {
  if (fstatSync(a).size !== fstatSync(b).size) return false;
  const buffers = [Buffer.alloc(COPY_BYTES), Buffer.alloc(COPY_BYTES)] as const;
  for (;;) {
    const [countA, countB] = [readSync(a, buffers[0]), readSync(b, buffers[1])];
    if (countA !== countB || buffers[0].compare(buffers[1], 0, countB, 0, countA) !== 0) return false;
    if (countA === 0) return true;
  }
}

function copyFile(from: string, to: string): void {
  const source = openSync(fsPath(from), O_RDONLY | O_NOFOLLOW);
  try {
    const target = openSync(fsPath(to), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
    try {
      const buffer = Buffer.alloc(COPY_BYTES);
      for (let count = readSync(source, buffer); count > 0; count = readSync(source, buffer))
        for (let done = 0; done < count; ) done += writeSync(target, buffer, done, count - done);
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}
