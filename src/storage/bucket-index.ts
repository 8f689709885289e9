import { dataKey, hashOfDataKey, RECENT, seconds } from './bucket-layout.ts';
import type { ListPage, ObjectInfo, ObjectStore } from './object-store.ts';

export interface IndexEntry {
  hash: string;
  size: number;
  /** Unix seconds. */
  mtime: number;
}

/**
 * Live blocks whose hash starts with `prefix`, in key order: the listings of data and markers, merged page by page so
 * that memory does not grow with the bucket. A block's time is its marker's; the data's own if there is no marker.
 */
export async function* indexBlocks(
  store: ObjectStore,
  prefixLength: number,
  prefix: string,
  first = '',
): AsyncGenerator<IndexEntry[]> {
  const from = dataKey(prefix, prefixLength);
  // Listings start behind a key: all but the last digit of the first one stands before it.
  const before = first === '' ? undefined : dataKey(first, prefixLength).slice(0, -1);
  const markers = cursorOf(listAll(store, RECENT + from, before === undefined ? undefined : RECENT + before));
  for await (const page of listAll(store, from, before)) {
    const entries: IndexEntry[] = [];
    for (const object of page) {
      // Blocks sort before every other object that Keep puts into a bucket (`recent/`, `trash/`).
      if (object.key >= 'g') {
        if (entries.length > 0) yield entries;
        return;
      }
      const hash = hashOfDataKey(object.key, prefixLength);
      if (hash === null || hash < first || !hash.startsWith(prefix)) continue;
      const marker = await markers.seek(RECENT + object.key);
      entries.push({ hash, size: object.size, mtime: seconds(marker ?? object) });
    }
    if (entries.length > 0) yield entries;
  }
}

/** All pages under a prefix. */
export async function* listAll(store: ObjectStore, prefix: string, startAfter?: string): AsyncGenerator<ObjectInfo[]> {
  let cursor: string | null = null;
  do {
    const page: ListPage = await store.list({ prefix, cursor, ...(startAfter === undefined ? {} : { startAfter }) });
    yield page.objects;
    cursor = page.next;
  } while (cursor !== null);
}

/** Walks ascending pages in step with another listing: `seek` only moves forward. */
export function cursorOf(pages: AsyncGenerator<ObjectInfo[]>) {
  let page: ObjectInfo[] = [];
  let at = 0;
  let ended = false;
  return {
    async seek(key: string): Promise<ObjectInfo | null> {
      for (;;) {
        while (at < page.length && (page[at]?.key ?? '') < key) at++;
        const found = page[at];
        if (found !== undefined) return found.key === key ? found : null;
        if (ended) return null;
        const { value, done } = await pages.next();
        page = value ?? [];
        at = 0;
        ended = done === true;
      }
    },
  };
}
