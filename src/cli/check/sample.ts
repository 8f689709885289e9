/** A fixed number of items of a stream whose length is not known, each with the same chance. */
export interface Sample<T> {
  add(item: T): void;
  items(): readonly T[];
}

/** @param random 0 to 1 */
export function createSample<T>(size: number, random: () => number = Math.random): Sample<T> {
  const kept: T[] = [];
  let seen = 0;
  return {
    add(item) {
      seen++;
      if (kept.length < size) kept.push(item);
      else {
        const place = Math.floor(random() * seen);
        if (place < size) kept[place] = item;
      }
    },
    items: () => kept,
  };
}
