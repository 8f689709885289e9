import type { ObjectStore } from '../storage/object-store.ts';
import { type RecordFile, RecordReader, writeRecords } from './record-reader.ts';
import { HASH_WORDS, hashAt, setHash } from './references.ts';

/** A block that no collection names: its hash, and since when (Unix seconds), five words. */
const WORDS = HASH_WORDS + 1;
const WINDOW_RECORDS = 16_384;

/** Unnamed blocks of this run, in hash order, kept in files of one step each. */
export class UnnamedWriter {
  readonly #store: ObjectStore;
  #words = new Uint32Array(1024 * WORDS);
  #length = 0;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  add(hash: string, since: number): void {
    if (this.#length === this.#words.length) {
      const larger = new Uint32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    setHash(this.#words, this.#length, hash);
    this.#words[this.#length + HASH_WORDS] = since;
    this.#length += WORDS;
  }

  /** Writes what was added since the last call; null when that is nothing. */
  async flush(key: string): Promise<RecordFile | null> {
    if (this.#length === 0) return null;
    const words = this.#words.slice(0, this.#length);
    this.#length = 0;
    return writeRecords(this.#store, key, words, WORDS);
  }
}

/** Looks hashes up in ascending order among the files that an earlier run wrote. */
export class UnnamedReader {
  readonly #store: ObjectStore;
  readonly #files: RecordFile[];
  #reader: RecordReader | null = null;

  /** @param files in the order in which they were written */
  constructor(store: ObjectStore, files: readonly RecordFile[]) {
    this.#store = store;
    this.#files = [...files];
  }

  /** Since when the block has been unnamed without a break; null when it was not in the earlier run. Only moves forward. */
  async since(hash: string): Promise<number | null> {
    for (;;) {
      if (this.#reader === null || this.#reader.isEnded) {
        const file = this.#files.shift();
        if (file === undefined) return null;
        this.#reader = new RecordReader(this.#store, file, WORDS, WINDOW_RECORDS);
        await this.#reader.seek(hash);
      }
      const reader = this.#reader;
      while (!reader.isEnded) {
        if (reader.isDry) await reader.fill();
        const found = hashAt(reader.words, reader.at);
        if (found > hash) return null;
        const since = reader.words[reader.at + HASH_WORDS] ?? null;
        reader.advance();
        if (found === hash) return since;
      }
    }
  }
}
