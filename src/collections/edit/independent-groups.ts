import { pathsOfCondition, writtenBy } from './edit-paths.ts';
import type { Condition, EditRequest, NodeKind } from './edits.ts';
import { isWithin } from './path-map.ts';

/** Requests with more paths have a revision of their own: each pair of requests that wait together is compared. */
const MAX_SHARED_PATHS = 16;
/** The same for the levels of their paths: those of a whole batch may be in so many directories. */
const MAX_SHARED_LEVELS = 300;

/**
 * Requests in their order, as few groups as possible: neighbours that don't touch each other share one.
 * @param mayShare what else must hold between two of a group
 */
export function independentGroups(
  requests: readonly EditRequest[],
  mayShare: (a: EditRequest, b: EditRequest) => boolean = () => true,
): EditRequest[][] {
  const groups: EditRequest[][] = [];
  let current: EditRequest[] = [];
  for (const request of requests) {
    if (!current.every((other) => areIndependent(other, request) && mayShare(other, request))) {
      groups.push(current);
      current = [];
    }
    current.push(request);
  }
  return current.length === 0 ? groups : [...groups, current];
}

/** Whether two requests may be judged against the same state: neither writes near what the other reads or writes. */
export function areIndependent(a: EditRequest, b: EditRequest): boolean {
  const hasPdh = ({ conditions }: EditRequest) => conditions.some((condition) => 'portableDataHash' in condition);
  if (hasPdh(a) || hasPdh(b) || a.attributes !== undefined || b.attributes !== undefined) return false;
  if (a.segments !== undefined || b.segments !== undefined) return false;
  if (isLong(a) || isLong(b)) return false;
  const writes = (request: EditRequest) => request.edits.flatMap(writtenBy);
  const touches = (request: EditRequest) => [
    ...writes(request),
    ...request.edits.flatMap((edit) => ('from' in edit && edit.kind !== 'graft' ? edit.from : [])),
    ...request.conditions.filter((condition) => !isParent(condition)).flatMap(pathsOfCondition),
  ];
  const meet = (left: string[], right: string[]) =>
    left.some((x) => right.some((y) => isWithin(x, y) || isWithin(y, x)));
  // What is written below a directory leaves it one; a request that is refused for want of it comes first in any order.
  const takesParent = (reader: EditRequest, writer: EditRequest) =>
    reader.conditions.filter(isParent).some(({ path }) => writes(writer).some((written) => isWithin(path, written)));
  if (takesParent(a, b) || takesParent(b, a)) return false;
  return !meet(writes(a), touches(b)) && !meet(touches(a), writes(b));
}

function isLong({ edits }: EditRequest): boolean {
  if (edits.length > MAX_SHARED_PATHS) return true;
  const paths = edits.flatMap(writtenBy);
  const chars = paths.reduce((sum, path) => sum + path.length, 0);
  return chars > MAX_SHARED_LEVELS && paths.reduce((sum, path) => sum + path.split('/').length, 0) > MAX_SHARED_LEVELS;
}

function isParent(condition: Condition): condition is Extract<Condition, { is: NodeKind[] }> {
  return 'is' in condition && condition.is.length === 1 && condition.is[0] === 'directory';
}
