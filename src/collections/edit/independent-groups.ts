import { areIndependent } from './apply.ts';
import type { EditRequest } from './edits.ts';

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
