import { stripSignature } from '../keep/locator.ts';
import { readTrashList, type TrashItem } from '../keep/work-lists.ts';
import { MAX_CONNECTIONS, STORE_REQUESTS_PER_ALARM } from './platform-limits.ts';
import { type TrashContext, trashEntry } from './trash-entry.ts';
import type { Work } from './work-queue.ts';

/** Store requests that trashing one block on one mount makes at most. */
const REQUESTS_PER_MOUNT = 8;

/** Trash lists. A concurrency of 0 keeps them and trashes nothing (T41). */
export function trashWork(context: TrashContext, concurrency: number): Work<TrashItem> {
  const requests = REQUESTS_PER_MOUNT * Math.max(1, context.mounts.length);
  return {
    kind: 'trash',
    read: readTrashList,
    // A time in nanoseconds is more than a JSON number can hold.
    encode: ({ blockMtime, ...item }) => JSON.stringify({ ...item, blockMtime: String(blockMtime) }),
    decode(text) {
      const { blockMtime, ...item } = JSON.parse(text) as Omit<TrashItem, 'blockMtime'> & { blockMtime: string };
      return { ...item, blockMtime: BigInt(blockMtime) };
    },
    locatorOf: ({ locator }) => stripSignature(locator),
    concurrency: Math.min(concurrency, MAX_CONNECTIONS),
    entriesPerAlarm: Math.max(1, Math.floor(STORE_REQUESTS_PER_ALARM / requests)),
    run: (item) => trashEntry(item, context),
  };
}
