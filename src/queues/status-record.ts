import type { QueueStatus } from './work-queue.ts';
import type { Tally } from './work-rows.ts';

/** A queue's state as people and programs are told it. */
export function statusRecord({ tallies, totals, ...status }: QueueStatus) {
  return { ...status, ...byResult(tallies), total: byResult(totals) };
}

/** `{done: {trashed: 3}, skipped: {touched: 1}, failed: {}}` */
function byResult(tallies: Tally[]): Record<string, Record<string, number>> {
  const table: Record<string, Record<string, number>> = { done: {}, skipped: {}, failed: {} };
  for (const { result, reason, entries } of tallies) table[result] = { ...table[result], [reason]: entries };
  return table;
}
