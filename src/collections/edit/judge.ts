import { KeepError } from '../../keep/errors.ts';
import { ancestors } from './edit-paths.ts';
import type { Condition, Edit, EtagTerm, LockTerm, NodeKind } from './edits.ts';
import { isLockedWith, type Lock } from './locks.ts';
import { isWithin } from './path-map.ts';

export interface State {
  etags: Map<string, string[]>;
  locks: readonly Lock[];
  portableDataHash: string;
}

export function check(condition: Condition, kindOf: (path: string) => NodeKind, state: State): void {
  if (!holds(condition, kindOf, state))
    throw new KeepError(condition.otherwise.code, { message: condition.otherwise.message });
}

function holds(condition: Condition, kindOf: (path: string) => NodeKind, state: State): boolean {
  if ('portableDataHash' in condition) return condition.portableDataHash === state.portableDataHash;
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

export function checkEdit(
  edit: Edit,
  all: Edit[],
  kindOf: (path: string) => NodeKind,
  grafts: Map<Edit, NodeKind | KeepError>,
): void {
  if (edit.kind === 'delete' || edit.kind === 'unmark') return;
  const target = 'to' in edit ? edit.to : edit.path;
  const isGone = (path: string) =>
    all.some(
      (other) =>
        (other.kind === 'delete' && isWithin(path, other.path)) ||
        (other.kind === 'move' && isWithin(path, other.from)),
    );
  for (const above of ancestors(target)) {
    if (kindOf(above) === 'file' && !isGone(above)) throw refused(`${above} is a file, not a directory`);
  }
  if (edit.kind === 'properties') {
    if (kindOf(edit.path) === 'absent') throw new KeepError('not_found', { message: `there is no ${edit.path}` });
    return;
  }
  if (edit.kind === 'mkdir') {
    if (kindOf(edit.path) === 'file' && !isGone(edit.path)) throw refused(`${edit.path} is a file`);
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
