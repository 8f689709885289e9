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
