/** Numbers of blocks in use, as ranges: a file over many blocks costs one entry, not one for each block. */
export class Intervals {
  #bounds: number[] = [];
  #isSorted = true;

  /** Both inclusive. */
  add(first: number, last: number): void {
    const end = this.#bounds.length;
    const previousFirst = this.#bounds[end - 2];
    const previousLast = this.#bounds[end - 1];
    if (previousFirst !== undefined && previousLast !== undefined) {
      // Files mostly follow one another.
      if (first >= previousFirst && first <= previousLast + 1) {
        this.#bounds[end - 1] = Math.max(previousLast, last);
        return;
      }
      if (first < previousFirst) this.#isSorted = false;
    }
    this.#bounds.push(first, last);
  }

  /** Ascending and apart: `[first, last, first, last, …]`. */
  sorted(): number[] {
    if (!this.#isSorted) {
      const pairs: [number, number][] = [];
      for (let i = 0; i < this.#bounds.length; i += 2) pairs.push([this.#bounds[i] ?? 0, this.#bounds[i + 1] ?? 0]);
      pairs.sort((a, b) => a[0] - b[0]);
      const merged = new Intervals();
      for (const [first, last] of pairs) merged.add(first, last);
      this.#bounds = merged.#bounds;
      this.#isSorted = true;
    }
    return this.#bounds;
  }

  /** Numbers in the ranges. */
  count(): number {
    const bounds = this.sorted();
    let count = 0;
    for (let i = 0; i < bounds.length; i += 2) count += (bounds[i + 1] ?? 0) - (bounds[i] ?? 0) + 1;
    return count;
  }
}

/** Where blocks lie in a line's data: `starts[i]` is where block i begins, the last entry where the data ends. */
export class BlockStarts {
  #starts = new Float64Array(64);
  #count = 0;
  #end = 0;

  clear(): void {
    this.#count = 0;
    this.#end = 0;
  }

  get count(): number {
    return this.#count;
  }

  add(size: number): void {
    if (this.#count + 1 >= this.#starts.length) {
      const larger = new Float64Array(this.#starts.length * 2);
      larger.set(this.#starts);
      this.#starts = larger;
    }
    this.#starts[this.#count++] = this.#end;
    this.#end += size;
    this.#starts[this.#count] = this.#end;
  }

  startOf(block: number): number {
    return this.#starts[block] ?? this.#end;
  }

  /** The block that holds the byte at a position: the last that begins at or before it and is not empty. */
  at(position: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle + 1] ?? 0) > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** The blocks of a line that stay when others go, and by how many bytes positions in them move. */
export class KeptBlocks {
  readonly #bounds: number[];
  /** For each range of kept blocks: its first block, and the bytes dropped before it. */
  readonly #firsts: number[] = [];
  readonly #shifts: number[] = [];
  /** Bytes of the kept blocks. */
  readonly end: number;

  constructor(kept: Intervals, starts: BlockStarts) {
    this.#bounds = kept.sorted();
    let dropped = 0;
    let next = 0;
    for (let i = 0; i < this.#bounds.length; i += 2) {
      const [first = 0, last = 0] = [this.#bounds[i], this.#bounds[i + 1]];
      dropped += starts.startOf(first) - starts.startOf(next);
      this.#firsts.push(first);
      this.#shifts.push(dropped);
      next = last + 1;
    }
    this.end = starts.startOf(next) - dropped;
  }

  get isEmpty(): boolean {
    return this.#bounds.length === 0;
  }

  /** Numbers of the blocks, ascending. */
  *numbers(): Generator<number> {
    for (let i = 0; i < this.#bounds.length; i += 2) {
      const [first = 0, last = 0] = [this.#bounds[i], this.#bounds[i + 1]];
      for (let block = first; block <= last; block++) yield block;
    }
  }

  /** What is to be taken from positions in a kept block. */
  shiftAt(block: number): number {
    let low = 0;
    let high = this.#firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#firsts[middle] ?? 0) <= block) low = middle;
      else high = middle - 1;
    }
    return this.#shifts[low] ?? 0;
  }
}
