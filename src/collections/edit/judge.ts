import { KeepError } from '../../keep/errors.ts';
import type { Condition, Edit, EtagTerm, LockTerm, NodeKind } from './edits.ts';
import { isLockedWith, type Lock } from './locks.ts';
import { isWithin, PathSet } from './path-map.ts';
import type { Survey } from './survey.ts';

export interface State {
  etags: Map<string, string[]>;
  locks: readonly Lock[];
  portableDataHash: string;
  /** Conditions on the content of paths that hold. */
  unchanged: ReadonlySet<Condition>;
}

export function check(condition: Condition, kindOf: (path: string) => NodeKind, state: State): void {
  if (!holds(condition, kindOf, state))
    throw new KeepError(condition.otherwise.code, { message: condition.otherwise.message });
}

function holds(condition: Condition, kindOf: (path: string) => NodeKind, state: State): boolean {
  if ('portableDataHash' in condition) return condition.portableDataHash === state.portableDataHash;
  if ('paths' in condition) return state.unchanged.has(condition);
  if ('is' in condition) return condition.is.includes(kindOf(condition.path));
  if ('anyOf' in condition) return condition.anyOf.some((terms) => terms.every((term) => isTrue(term, state)));
  return isTrue(condition, state);
}

function isTrue(term: EtagTerm | LockTerm, { etags, locks }: State): boolean {
  if ('lockToken' in term) return isLockedWith(locks, term.path, term.lockToken) === term.matches;
  const etag = etags.get(term.path);
  const found = etag !== undefined && (term.etag.includes('*') || etag.some((one) => term.etag.includes(one)));
  return found === term.matches;
}

/** What edits take away from where it is. */
export function takenAway(edits: readonly Edit[]): PathSet {
  return new PathSet(
    edits.flatMap((edit) => (edit.kind === 'delete' ? edit.path : edit.kind === 'move' ? edit.from : [])),
  );
}

/** @param gone what the edits of the same request take away */
export function checkEdit(
  edit: Edit,
  gone: PathSet,
  { kindOf, fileAbove }: Survey,
  grafts: Map<Edit, NodeKind | KeepError>,
): void {
  if (edit.kind === 'delete' || edit.kind === 'unmark') return;
  const above = fileAbove('to' in edit ? edit.to : edit.path);
  if (above !== null && !gone.covers(above)) throw refused(`${above} is a file, not a directory`);
  if (edit.kind === 'properties') {
    if (kindOf(edit.path) === 'absent') throw new KeepError('not_found', { message: `there is no ${edit.path}` });
    return;
  }
  if (edit.kind === 'mkdir') {
    if (kindOf(edit.path) === 'file' && !gone.covers(edit.path)) throw refused(`${edit.path} is a file`);
    return;
  }
  if (edit.kind === 'put') {
    if (edit.path === '') throw refused('a file cannot take the place of the whole collection');
    return;
  }
  const kind = edit.kind === 'graft' ? (grafts.get(edit) ?? 'absent') : kindOf(edit.from);
  if (typeof kind !== 'string') throw kind;
  if (kind === 'absent') throw refused(`there is no ${edit.from}`);
  if (edit.to === '' && kind === 'file') throw refused('a file cannot take the place of the whole collection');
  if (edit.kind === 'move' && isWithin(edit.to, edit.from)) throw refused(`${edit.from} cannot be moved into itself`);
}

export function refused(message: string): KeepError {
  return new KeepError('bad_request', { message });
}
