import { createHash } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { TargetFile } from './fetch-plan.ts';

/** State of a target on disk before the download. */
export type TargetState =
  /** Nothing of it is there. */
  | 'absent'
  /** An earlier run began it. */
  | 'begun'
  /** There is a file of its name and size. */
  | 'there'
  /** There is something else of its name. */
  | 'other';

const COMPARE_BYTES = 1 << 20;

/** Where a file grows until it is complete: beside its place, under a short name of its own. */
export function partFile(target: string): string {
  const digest = createHash('sha1').update(basename(target)).digest('hex').slice(0, 16);
  return join(dirname(target), `.keep-edge-${digest}.part`);
}

/** The state of each target. In an empty directory nothing is looked up. */
export function statesOf(targets: readonly TargetFile[]): TargetState[] {
  const empty = new Map<string, boolean>();
  return targets.map((target) => {
    const directory = dirname(target.target);
    let isEmpty = empty.get(directory);
    if (isEmpty === undefined) {
      isEmpty = hasNoEntries(directory);
      empty.set(directory, isEmpty);
    }
    return isEmpty ? 'absent' : stateOf(target);
  });
}

/** False also when it cannot be read: then each file is looked up. */
function hasNoEntries(directory: string): boolean {
  try {
    const entries = opendirSync(directory);
    try {
      return entries.readSync() === null;
    } finally {
      entries.closeSync();
    }
  } catch {
    return false;
  }
}

function stateOf({ target, size }: TargetFile): TargetState {
  const there = statOrNull(target);
  if (there !== null) return there.isFile() && there.size === size ? 'there' : 'other';
  return statOrNull(partFile(target))?.size === size ? 'begun' : 'absent';
}

function statOrNull(path: string) {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

/** Makes the directories of these files, each once. */
export function makeDirectories(targets: readonly TargetFile[]): void {
  const made = new Set<string>();
  for (const { target } of targets) {
    const directory = dirname(target);
    if (made.has(directory)) continue;
    mkdirSync(directory, { recursive: true });
    made.add(directory);
  }
}

/** Sets the length of a file that is filled chunk by chunk; holes take no space. */
export function makeRoom(target: string, size: number): void {
  const descriptor = openSync(partFile(target), 'a');
  try {
    ftruncateSync(descriptor, size);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Moves a complete file to its place.
 * @returns false, with nothing changed, when another file is there that may not be replaced
 */
export function putInPlace(target: string, { force, isFree }: { force: boolean; isFree: boolean }): boolean {
  const part = partFile(target);
  if (!force && !isFree && statOrNull(target) !== null && !haveSameBytes(part, target)) {
    rmSync(part);
    return false;
  }
  renameSync(part, target);
  return true;
}

function haveSameBytes(one: string, other: string): boolean {
  const [a, b] = [openSync(one, 'r'), openSync(other, 'r')];
  const buffers = [Buffer.alloc(COMPARE_BYTES), Buffer.alloc(COMPARE_BYTES)] as const;
  try {
    for (;;) {
      const [countA, countB] = [readSync(a, buffers[0]), readSync(b, buffers[1])];
      if (countA !== countB || buffers[0].compare(buffers[1], 0, countB, 0, countA) !== 0) return false;
      if (countA === 0) return true;
    }
  } finally {
    closeSync(a);
    closeSync(b);
  }
}
