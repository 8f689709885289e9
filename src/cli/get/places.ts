import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../block-jobs.ts';
import { CliError } from '../cli-error.ts';
import { fsPath, makeDirectories } from '../fs-path.ts';
import { showName } from '../terminal.ts';

/** An open directory. */
export interface Place {
  /**
   * Its path. On Linux it leads through the open descriptor: it stays the same directory, whatever is renamed or
   * replaced by a link meanwhile.
   */
  path: string;
  stats: Stats;
  /** A directory in it; null when there is something else, such as a link. @throws when nothing is there */
  open(name: string): Place | null;
  /** False when something else is at its path now. */
  isSame(): boolean;
  close(): void;
}

const { O_DIRECTORY = 0, O_NOFOLLOW = 0, O_RDONLY } = constants;
const DESCRIPTORS = '/proc/self/fd';
const MAX_OPEN = 64;

/** Directories below a root, made when they are not there. Links may lead to the root, but none is followed below it. */
export function placesBelow(root: string): { root: Place; directory(name: string): Place; close(): void } {
  const top = openRoot(root);
  /** Least recently used first. */
  const open = new Map<string, Place>();

  const inTheWay = (name: string) =>
    new CliError(
      `${showName(join(root, name))} is in the way: it is a link or a file where the collection has a directory.`,
    );
  function directory(name: string): Place {
    if (name === '') return top;
    const known = open.get(name);
    if (known !== undefined) {
      if (!known.isSame()) throw inTheWay(name);
      open.delete(name);
      open.set(name, known);
      return known;
    }
    const slash = name.lastIndexOf('/');
    const parent = directory(slash < 0 ? '' : name.slice(0, slash));
    const place = enter(parent, name.slice(slash + 1), join(root, name));
    if (place === null) throw inTheWay(name);
    for (const [oldest, each] of open) {
      if (open.size < MAX_OPEN) break;
      open.delete(oldest);
      each.close();
    }
    open.set(name, place);
    return place;
  }

  return {
    root: top,
    directory,
    close() {
      for (const place of open.values()) place.close();
      top.close();
    },
  };
}

function openRoot(root: string): Place {
  try {
    makeDirectories(root);
    const place = openPlace(root, true);
    if (place !== null) return place;
  } catch (error) {
    throw new CliError(`${showName(root)}: ${reasonOf(error)}`);
  }
  throw new CliError(`${showName(root)} is no directory.`);
}

function enter(parent: Place, name: string, shown: string): Place | null {
  try {
    try {
      mkdirSync(fsPath(join(parent.path, name)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    return parent.open(name);
  } catch (error) {
    throw new CliError(`${showName(shown)}: ${reasonOf(error)}`);
  }
}

function openPlace(path: string, follow: boolean): Place | null {
  return existsSync(DESCRIPTORS) && O_DIRECTORY !== 0 ? openDescriptor(path, follow) : openPath(path, follow);
}

function openDescriptor(path: string, follow: boolean): Place | null {
  let descriptor: number;
  try {
    descriptor = openSync(fsPath(path), O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW));
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR' || code === 'ELOOP') return null;
    throw error;
  }
  const held = `${DESCRIPTORS}/${descriptor}`;
  return {
    path: held,
    stats: fstatSync(descriptor),
    open: (name) => openPlace(join(held, name), false),
    isSame: () => true,
    close: () => closeSync(descriptor),
  };
}

/** Where directories cannot be reached through descriptors, they are looked at again each time they are used. */
function openPath(path: string, follow: boolean): Place | null {
  const stats = (follow ? statSync : lstatSync)(fsPath(path));
  if (!stats.isDirectory()) return null;
  return {
    path,
    stats,
    open: (name) => openPlace(join(path, name), false),
    isSame() {
      const now = (follow ? statSync : lstatSync)(fsPath(path), { throwIfNoEntry: false });
      return now?.ino === stats.ino && now.dev === stats.dev && now.isDirectory();
    },
    close: () => undefined,
  };
}
