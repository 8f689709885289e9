import { lstatSync, opendirSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { fsPath } from '../fs-path.ts';
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

/**
 * The state of each target. In an empty directory nothing is looked up.
 * @param begun the file that an earlier run began, by the target's name
 */
export function statesOf(targets: readonly TargetFile[], begun: (name: string) => Stats | null): TargetState[] {
  const empty = new Map<string, boolean>();
  return targets.map((target) => {
    const directory = dirname(target.target);
    let isEmpty = empty.get(directory);
    if (isEmpty === undefined) {
      isEmpty = hasNoEntries(directory);
      empty.set(directory, isEmpty);
    }
    const there = isEmpty ? undefined : lstatSync(fsPath(target.target), { throwIfNoEntry: false });
    if (there !== undefined) return there.isFile() && there.size === target.size ? 'there' : 'other';
    const part = begun(target.name);
    return part?.isFile() === true && part.size === target.size ? 'begun' : 'absent';
  });
}

/** False also when it cannot be read: then each file is looked up. */
function hasNoEntries(directory: string): boolean {
  try {
    const entries = opendirSync(fsPath(directory));
    try {
      return entries.readSync() === null;
    } finally {
      entries.closeSync();
    }
  } catch {
    return false;
  }
}
