import { KeepError } from '../keep/errors.ts';
import { dataKey, hashOfDataKey, RECENT, seconds } from './bucket-layout.ts';
import type { ListPage, ObjectInfo, ObjectStore } from './object-store.ts';

export interface IndexEntry {
  hash: string;
  size: number;
  /** Unix seconds. */
  mtime: number;
}

/** Parts of an index that are listed at once: each waits for one listing at a time, and a Worker may wait for six. */
const LANES = 6;
/** Pages of up to 1,000 entries that a lane lists before they are asked for. */
const PAGES_AHEAD = 3;
/** An index of fewer pages is listed in one go. */
const SPLIT_FROM_PAGES = 4;
const MAX_SPLIT_DIGITS = 3;
const SAMPLE_DIGITS = 8;

/**
 * Live blocks whose hash starts with `prefix`, in key order. Memory does not grow with the bucket. A block's time is its
 * marker's; the data's own if there is no marker. A large index is listed in several parts at once, each of the hashes
 * that go on with the same digits: the first page tells how many there are, because hashes are spread evenly.
 * @param first leave out hashes before this one
 */
export async function* indexBlocks(
  store: ObjectStore,
  prefixLength: number,
  prefix: string,
  first = '',
): AsyncGenerator<IndexEntry[]> {
  const whole = indexRange(store, prefixLength, prefix, first);
  const start = await whole.next();
  if (start.done) return;
  yield start.value;
  const last = start.value.at(-1)?.hash ?? '';
  const pages = 1 / (positionOf(last, prefix) - positionOf(first, prefix));
  if (!(pages >= SPLIT_FROM_PAGES)) {
    yield* whole;
    return;
  }
  await whole.return(undefined);
  yield* inParallel(
    partsAfter(prefix, last, Math.log(pages) / Math.log(16)).map(
      (part) => () => indexRange(store, prefixLength, part, part < last ? `${last}0` : ''),
    ),
  );
}

/** Where among the hashes with this prefix a hash stands: from 0 to 1. */
function positionOf(hash: string, prefix: string): number {
  const digits = hash.slice(prefix.length, prefix.length + SAMPLE_DIGITS).padEnd(SAMPLE_DIGITS, '0');
  return Number.parseInt(digits, 16) / 16 ** SAMPLE_DIGITS;
}

/** The prefixes into which what follows `last` is cut: of one page to four each. */
function partsAfter(prefix: string, last: string, digitsOfPages: number): string[] {
  const digits = Math.max(1, Math.min(MAX_SPLIT_DIGITS, Math.floor(digitsOfPages + 0.3), 32 - prefix.length));
  const parts: string[] = [];
  for (let i = 0; i < 16 ** digits; i++) {
    const part = prefix + i.toString(16).padStart(digits, '0');
    if (part >= last.slice(0, part.length)) parts.push(part);
  }
  return parts;
}

/** The pages of all parts in their order; the next parts are begun while one is read. */
async function* inParallel<Page>(parts: (() => AsyncGenerator<Page>)[]): AsyncGenerator<Page> {
  const waiting = parts.map((open) => open);
  const lanes: AsyncGenerator<Page>[] = [];
  try {
    for (;;) {
      while (lanes.length < LANES) {
        const open = waiting.shift();
        if (open === undefined) break;
        lanes.push(ahead(open()));
      }
      const [lane] = lanes;
      if (lane === undefined) return;
      yield* lane;
      lanes.shift();
    }
  } finally {
    await Promise.all(lanes.map((lane) => lane.return(undefined)));
  }
}

/** The same pages, some of which are fetched before they are asked for; the first ones at once. */
function ahead<Page>(pages: AsyncGenerator<Page>): AsyncGenerator<Page> {
  const fetched: Promise<IteratorResult<Page, unknown>>[] = [];
  const fetch = () => {
    const next = pages.next();
    // The failure is thrown to the reader of that page.
    next.catch(() => undefined);
    fetched.push(next);
  };
  for (let i = 0; i < PAGES_AHEAD; i++) fetch();
  return (async function* () {
    try {
      for (;;) {
        const page = await fetched.shift();
        if (page === undefined || page.done) return;
        fetch();
        yield page.value;
      }
    } finally {
      void pages.return(undefined).catch(() => undefined);
    }
  })();
}

/** The listings of data and markers of one prefix, merged page by page. */
async function* indexRange(
  store: ObjectStore,
  prefixLength: number,
  prefix: string,
  first: string,
): AsyncGenerator<IndexEntry[]> {
  const from = dataKey(prefix, prefixLength);
  // Listings start behind a key: all but the last digit of the first one stands before it.
  const before = first === '' ? undefined : dataKey(first, prefixLength).slice(0, -1);
  const markers = cursorOf(listAll(store, RECENT + from, before === undefined ? undefined : RECENT + before));
  let last = '';
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
      // What follows from an index counts on its order: a block that is missed there counts as lost, or as garbage.
      if (hash <= last)
        throw new KeepError('unavailable', { cause: new Error(`the store lists ${hash} after ${last}`) });
      last = hash;
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
