/**
 * A reference says that a collection names a block. References are seven 32-bit words, so that millions of them fit in
 * memory and on disk without objects: four of the hash (most significant first), the size in bytes, the number of what
 * the collection wants (copies and classes, see Wants), and the number of the collection in this run.
 */
export const REFERENCE_WORDS = 7;
export const REFERENCE_BYTES = REFERENCE_WORDS * 4;

export const SIZE_WORD = 4;
export const WANTS_WORD = 5;
export const COLLECTION_WORD = 6;
export const HASH_WORDS = 4;

/** How many copies in which storage classes a collection wants of its blocks. */
export interface Wants {
  copies: number;
  classes: string[];
}

/** References sorted in memory at once: 7 MiB, and as much again while they are sorted. */
export const RUN_REFERENCES = 262_144;

/** Collects references up to RUN_REFERENCES and gives them back sorted by hash, then collection, without repetitions. */
export class ReferenceBuffer {
  readonly #words: Uint32Array;
  readonly #capacity: number;
  #count = 0;

  constructor(capacity = RUN_REFERENCES) {
    this.#capacity = capacity;
    this.#words = new Uint32Array(capacity * REFERENCE_WORDS);
  }

  get isFull(): boolean {
    return this.#count === this.#capacity;
  }

  get count(): number {
    return this.#count;
  }

  /** @param hash 32 lowercase hex digits */
  add(hash: string, size: number, wants: number, collection: number): void {
    const at = this.#count++ * REFERENCE_WORDS;
    setHash(this.#words, at, hash);
    this.#words[at + SIZE_WORD] = size;
    this.#words[at + WANTS_WORD] = wants;
    this.#words[at + COLLECTION_WORD] = collection;
  }

  /** Empties the buffer. */
  takeSorted(): Uint32Array {
    const words = this.#words.subarray(0, this.#count * REFERENCE_WORDS);
    const order = sortedOrder(words, this.#count);
    const sorted = new Uint32Array(words.length);
    let to = 0;
    for (const index of order) {
      const from = index * REFERENCE_WORDS;
      if (to > 0 && compareReferences(sorted, to - REFERENCE_WORDS, words, from) === 0) continue;
      sorted.set(words.subarray(from, from + REFERENCE_WORDS), to);
      to += REFERENCE_WORDS;
    }
    this.#count = 0;
    return sorted.subarray(0, to);
  }
}

/** MD5s are spread evenly: a counting sort by their first 16 bits leaves buckets of a few. */
function sortedOrder(words: Uint32Array, count: number): Uint32Array {
  const starts = new Uint32Array(65_537);
  const bucketOf = (index: number) => (words[index * REFERENCE_WORDS] ?? 0) >>> 16;
  for (let i = 0; i < count; i++) starts[bucketOf(i) + 1] = (starts[bucketOf(i) + 1] ?? 0) + 1;
  for (let i = 0; i < 65_536; i++) starts[i + 1] = (starts[i + 1] ?? 0) + (starts[i] ?? 0);
  const order = new Uint32Array(count);
  const next = starts.slice();
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(i);
    const at = next[bucket] ?? 0;
    order[at] = i;
    next[bucket] = at + 1;
  }
  for (let bucket = 0; bucket < 65_536; bucket++) {
    const from = starts[bucket] ?? 0;
    const to = starts[bucket + 1] ?? 0;
    if (to - from > 1) {
      order
        .subarray(from, to)
        .sort((a, b) => compareReferences(words, a * REFERENCE_WORDS, words, b * REFERENCE_WORDS));
    }
  }
  return order;
}

/** By hash, then by collection. */
export function compareReferences(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): number {
  const byHash = compareHashes(a, aAt, b, bAt);
  return byHash !== 0 ? byHash : (a[aAt + COLLECTION_WORD] ?? 0) - (b[bAt + COLLECTION_WORD] ?? 0);
}

export function compareHashes(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): number {
  for (let word = 0; word < HASH_WORDS; word++) {
    const difference = (a[aAt + word] ?? 0) - (b[bAt + word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Writes the four words of a hash. */
export function setHash(words: Uint32Array, at: number, hash: string): void {
  for (let word = 0; word < HASH_WORDS; word++) {
    words[at + word] = Number.parseInt(hash.slice(word * 8, word * 8 + 8), 16);
  }
}

/** The 32 hex digits of the four words at `at`. */
export function hashAt(words: Uint32Array, at: number): string {
  let hash = '';
  for (let word = 0; word < HASH_WORDS; word++) hash += (words[at + word] ?? 0).toString(16).padStart(8, '0');
  return hash;
}
