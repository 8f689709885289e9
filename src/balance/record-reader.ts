import { KeepError } from '../keep/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { compareHashes, HASH_WORDS, setHash } from './references.ts';

/** A sorted file of records of a fixed number of 32-bit words, of which the first four are a hash. */
export interface RecordFile {
  key: string;
  /** Records in it. */
  count: number;
}

/** Stores sorted records as one object. Words are little-endian, as every runtime here has them. */
export async function writeRecords(
  store: ObjectStore,
  key: string,
  words: Uint32Array,
  recordWords: number,
): Promise<RecordFile> {
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  await store.put(key, bytes, { size: bytes.byteLength });
  return { key, count: words.length / recordWords };
}

/**
 * Reads a sorted file forwards, a window at a time. `words` and `at` are the current record; call `fill` when `isDry`
 * says that the window is used up.
 */
export class RecordReader {
  words: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  at = 0;
  #next = 0;

  readonly #store: ObjectStore;
  readonly #file: RecordFile;
  readonly #recordWords: number;
  readonly #windowRecords: number;

  /** @param windowRecords how many records one request to the store brings, and memory holds */
  constructor(store: ObjectStore, file: RecordFile, recordWords: number, windowRecords: number) {
    this.#store = store;
    this.#file = file;
    this.#recordWords = recordWords;
    this.#windowRecords = windowRecords;
  }

  get isDry(): boolean {
    return this.at >= this.words.length;
  }

  get isEnded(): boolean {
    return this.isDry && this.#next >= this.#file.count;
  }

  advance(): void {
    this.at += this.#recordWords;
  }

  /** Loads the next window. */
  async fill(): Promise<void> {
    const count = Math.min(this.#windowRecords, this.#file.count - this.#next);
    this.words = count > 0 ? await this.#read(this.#next, count) : new Uint32Array(0);
    this.#next += Math.max(count, 0);
    this.at = 0;
  }

  /** Moves to the first record whose hash is not below `hash`: halving, down to one window. */
  async seek(hash: string): Promise<void> {
    const wanted = new Uint32Array(HASH_WORDS);
    setHash(wanted, 0, hash);
    let low = 0;
    let high = this.#file.count;
    while (high - low > this.#windowRecords) {
      const middle = (low + high) >>> 1;
      if (compareHashes(await this.#read(middle, 1), 0, wanted, 0) < 0) low = middle + 1;
      else high = middle;
    }
    this.#next = low;
    await this.fill();
    while (!this.isEnded) {
      if (this.isDry) await this.fill();
      else if (compareHashes(this.words, this.at, wanted, 0) < 0) this.advance();
      else return;
    }
  }

  async #read(from: number, count: number): Promise<Uint32Array<ArrayBuffer>> {
    const size = this.#recordWords * 4;
    const found = await this.#store.get(this.#file.key, { range: { offset: from * size, length: count * size } });
    if (found === null) throw new KeepError('not_found', { message: `${this.#file.key} is gone: start a new run` });
    const bytes = await new Response(found.body).arrayBuffer();
    if (bytes.byteLength !== count * size)
      throw new KeepError('corrupt', { message: `${this.#file.key} is cut short` });
    return new Uint32Array(bytes);
  }
}
