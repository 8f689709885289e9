import type { ObjectStore } from '../storage/object-store.ts';
import { type RecordFile, RecordReader } from './record-reader.ts';
import {
  COLLECTION_WORD,
  compareHashes,
  compareReferences,
  hashAt,
  REFERENCE_BYTES,
  REFERENCE_WORDS,
  SIZE_WORD,
  WANTS_WORD,
} from './references.ts';

/** All references to one block. */
export interface NamedBlock {
  hash: string;
  size: number;
  /** Numbers of the distinct wants. */
  wants: number[];
  /** Numbers of the collections that name it, ascending. */
  collections: Uint32Array;
}

/** Bytes of all windows together: with many runs each gets less, and asks the store more often. */
const WINDOW_BYTES = 8 * 1024 * 1024;
const MIN_WINDOW_RECORDS = 1024;
/** More files than this are merged in several passes: each costs a window. */
export const MAX_MERGED_RUNS = 128;
const PAGE_BLOCKS = 1024;

/** The blocks of all runs in hash order, from `from` (a hash, inclusive) on, in pages. Memory does not grow with the runs' sizes. */
export async function* mergeRuns(
  store: ObjectStore,
  runs: RecordFile[],
  from: string,
  pageBlocks = PAGE_BLOCKS,
): AsyncGenerator<NamedBlock[]> {
  const readers = await openAt(store, runs, from);
  const heap = new ReaderHeap(readers.filter((reader) => !reader.isEnded));
  let page: NamedBlock[] = [];
  while (heap.top !== undefined) {
    page.push(await takeBlock(heap));
    if (page.length === pageBlocks) {
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}

/** Merges runs into one, streaming. Multi-pass merging keeps the number of windows, and so memory, bounded. */
export async function* mergedWords(store: ObjectStore, runs: RecordFile[]): AsyncGenerator<Uint32Array> {
  const readers = await openAt(store, runs, '');
  const heap = new ReaderHeap(readers.filter((reader) => !reader.isEnded));
  const capacity = 32_768 * REFERENCE_WORDS;
  let out = new Uint32Array(capacity);
  let length = 0;
  for (let top = heap.top; top !== undefined; top = heap.top) {
    out.set(top.words.subarray(top.at, top.at + REFERENCE_WORDS), length);
    length += REFERENCE_WORDS;
    await heap.next();
    if (length === capacity) {
      yield out;
      out = new Uint32Array(capacity);
      length = 0;
    }
  }
  if (length > 0) yield out.subarray(0, length);
}

async function openAt(store: ObjectStore, runs: RecordFile[], from: string): Promise<RecordReader[]> {
  const share = Math.floor(WINDOW_BYTES / REFERENCE_BYTES / Math.max(1, runs.length));
  const readers = runs.map(
    (run) => new RecordReader(store, run, REFERENCE_WORDS, Math.max(MIN_WINDOW_RECORDS, Math.min(share, 65_536))),
  );
  for (const reader of readers) await (from === '' ? reader.fill() : reader.seek(from));
  return readers;
}

async function takeBlock(heap: ReaderHeap): Promise<NamedBlock> {
  const first = heap.top as RecordReader;
  const key = first.words.slice(first.at, first.at + REFERENCE_WORDS);
  const wants: number[] = [];
  let collections = new Uint32Array(4);
  let count = 0;
  let size = 0;
  for (let top = heap.top; top !== undefined && compareHashes(top.words, top.at, key, 0) === 0; top = heap.top) {
    const collection = top.words[top.at + COLLECTION_WORD] ?? 0;
    size = Math.max(size, top.words[top.at + SIZE_WORD] ?? 0);
    const want = top.words[top.at + WANTS_WORD] ?? 0;
    if (!wants.includes(want)) wants.push(want);
    // The same collection again, from another run.
    if (count === 0 || collections[count - 1] !== collection) {
      if (count === collections.length) collections = grown(collections);
      collections[count++] = collection;
    }
    await heap.next();
  }
  return {
    hash: hashAt(key, 0),
    size,
    wants,
    collections: collections.slice(0, count),
  };
}

function grown(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(words.length * 2);
  larger.set(words);
  return larger;
}

/** Readers by their current record, smallest on top. */
class ReaderHeap {
  readonly #items: RecordReader[];

  constructor(readers: RecordReader[]) {
    this.#items = readers;
    for (let i = (readers.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  get top(): RecordReader | undefined {
    return this.#items[0];
  }

  /** Moves the top reader to its next record; only a used-up window waits for the store. */
  next(): Promise<void> | undefined {
    const [top] = this.#items;
    if (top === undefined) return undefined;
    top.advance();
    if (top.isDry && !top.isEnded) return top.fill().then(() => this.#sink(0));
    if (top.isEnded) {
      const last = this.#items.pop();
      if (last !== undefined && this.#items.length > 0) this.#items[0] = last;
    }
    this.#sink(0);
    return undefined;
  }

  #sink(from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < this.#items.length && this.#less(left, least)) least = left;
      if (right < this.#items.length && this.#less(right, least)) least = right;
      if (least === at) return;
      const item = this.#items[at] as RecordReader;
      this.#items[at] = this.#items[least] as RecordReader;
      this.#items[least] = item;
      at = least;
    }
  }

  #less(i: number, j: number): boolean {
    const a = this.#items[i] as RecordReader;
    const b = this.#items[j] as RecordReader;
    return compareReferences(a.words, a.at, b.words, b.at) < 0;
  }
}
