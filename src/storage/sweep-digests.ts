import { listAll } from './bucket-index.ts';
import { DIGESTS, hashOfDataKey } from './bucket-layout.ts';
import type { ListPage, ObjectStore } from './object-store.ts';

export interface SweepOptions {
  prefixLength: number;
  /** The key of digests to go on after; '' at the beginning. */
  after: string;
  /** How many blocks are asked for at once. */
  concurrency: number;
  /** Checked between pages: whether to stop, when so many more requests are to be made. */
  isTimeUp: (more: number) => boolean;
}

/** Digests that are held against a listing of blocks at once. */
const PAGE = 400;
/** Pages of that listing: where digests are sparse among blocks, the few are asked for one by one. */
const MAX_LISTED = 3;
const REQUESTS_PER_PAGE = PAGE + MAX_LISTED + 2;

/**
 * Deletes digests whose block is gone: a keepstore that shares the bucket trashes blocks and does not know of them.
 * @returns the key to go on after; null at the end
 */
export async function sweepDigests(store: ObjectStore, options: SweepOptions): Promise<string | null> {
  let { after } = options;
  for (let cursor: string | null = null; ; ) {
    const page: ListPage = await store.list({
      prefix: DIGESTS,
      cursor,
      limit: PAGE,
      ...(after === '' ? {} : { startAfter: after }),
    });
    const keys = page.objects.map(({ key }) => key).filter((key) => isDigests(key, options.prefixLength));
    const gone = await missing(store, keys, options.concurrency);
    if (gone.length > 0) await store.delete(gone);
    if (page.next === null) return null;
    cursor = page.next;
    after = page.objects.at(-1)?.key ?? after;
    if (options.isTimeUp(REQUESTS_PER_PAGE)) return after;
  }
}

function isDigests(key: string, prefixLength: number): boolean {
  return hashOfDataKey(key.slice(DIGESTS.length), prefixLength) !== null;
}

/** Those of the keys, in ascending order, whose block is not there. */
async function missing(store: ObjectStore, keys: string[], concurrency: number): Promise<string[]> {
  const wanted = new Map(keys.map((key) => [key.slice(DIGESTS.length), key]));
  const [first = '', last = ''] = [[...wanted.keys()][0], [...wanted.keys()].at(-1)];
  if (first === '') return [];
  const gone: string[] = [];
  let seenTo = '';
  let pages = 0;
  // Listings start behind a key: all but the last digit of the first one stands before it.
  for await (const page of listAll(store, '', first.slice(0, -1))) {
    const present = new Set(page.map(({ key }) => key));
    seenTo = page.at(-1)?.key ?? '';
    for (const [data, key] of wanted) {
      if (seenTo !== '' && data > seenTo) break;
      wanted.delete(data);
      if (!present.has(data)) gone.push(key);
    }
    if (seenTo === '' || seenTo >= last || ++pages === MAX_LISTED) break;
  }
  const rest = seenTo === '' || seenTo >= last ? [] : [...wanted];
  for (let i = 0; i < rest.length; i += concurrency) {
    const batch = rest.slice(i, i + concurrency);
    const heads = await Promise.all(batch.map(([data]) => store.head(data)));
    gone.push(...batch.flatMap(([, key], j) => (heads[j] === null ? [key] : [])));
  }
  return gone;
}
