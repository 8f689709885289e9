import type { Condition, Edit, EditRequest, EtagTerm, LockTerm } from './edits.ts';
import { parentOf } from './path-map.ts';

/** Levels of a path: deeper than any file system allows. */
export const MAX_LEVELS = 2000;

export function isTooDeep({ edits }: EditRequest): boolean {
  return edits.flatMap(targetsOf).some((path) => path.length > MAX_LEVELS && path.split('/').length > MAX_LEVELS);
}

export function writtenBy(edit: Edit): string[] {
  if (edit.kind === 'move') return [edit.from, edit.to];
  return targetsOf(edit);
}

export function targetsOf(edit: Edit): string[] {
  return 'to' in edit ? [edit.to] : [edit.path];
}

/** All paths whose state decides about a request, beside that of the directories above them. */
export function pathsOf({ edits, conditions }: EditRequest): string[] {
  const named = edits.flatMap((edit) => [
    ...writtenBy(edit),
    ...('from' in edit && edit.kind !== 'graft' ? [edit.from] : []),
  ]);
  return [...named, ...conditions.flatMap(pathsOfCondition)];
}

export function pathsOfCondition(condition: Condition): string[] {
  if ('paths' in condition) return condition.paths;
  return 'is' in condition ? [condition.path] : termsOf(condition).map(({ path }) => path);
}

export function termsOf(condition: Condition): (EtagTerm | LockTerm)[] {
  if ('anyOf' in condition) return condition.anyOf.flat();
  return 'etag' in condition ? [condition] : [];
}

export function ancestors(path: string): string[] {
  const all: string[] = [];
  for (let at = parentOf(path); at !== ''; at = parentOf(at)) all.push(at);
  return all;
}
