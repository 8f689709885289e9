import { stripSignature } from '../keep/locator.ts';
import { type PullItem, readPullList } from '../keep/work-lists.ts';
import { MAX_CONNECTIONS, STORE_REQUESTS_PER_ALARM } from './platform-limits.ts';
import { type PullContext, pullEntry } from './pull-entry.ts';
import type { Work } from './work-queue.ts';

/** Store and server requests that one pull makes at most, with one server to ask. */
const REQUESTS_PER_ENTRY = 8;

/** Pull lists. There is always a puller, whatever BLOB_REPLICATE_CONCURRENCY says (T41). */
export function pullWork(context: PullContext, concurrency: number): Work<PullItem> {
  return {
    kind: 'pull',
    read: readPullList,
    encode: (item) => JSON.stringify(item),
    decode: (text) => JSON.parse(text) as PullItem,
    locatorOf: ({ locator }) => stripSignature(locator),
    concurrency: Math.min(Math.max(1, concurrency), MAX_CONNECTIONS),
    entriesPerAlarm: Math.floor(STORE_REQUESTS_PER_ALARM / REQUESTS_PER_ENTRY),
    run: (item) => pullEntry(item, context),
  };
}
