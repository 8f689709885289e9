/**
 * Gives other requests of the isolate their turn during long synchronous work. Work is counted, not timed: on the
 * platform the clock stands still while script runs.
 *
 * @param units of work between two turns, some milliseconds of it
 * @returns called for each unit: a promise to await when it is time for a turn
 */
export function takeTurns(units: number): () => Promise<void> | undefined {
  let done = 0;
  return () => {
    if (++done < units) return undefined;
    done = 0;
    return nextTurn();
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

const SORTED_AT_ONCE = 4096;
const MERGED_PER_TURN = 20_000;

/**
 * A sorted copy of a list that may be long; others get their turns meanwhile. Not for a short one: of those there may be
 * many, and their turns are counted where they are gone through.
 */
export async function sortInTurns<Item>(
  items: readonly Item[],
  compare: (a: Item, b: Item) => number,
): Promise<Item[]> {
  if (items.length <= SORTED_AT_ONCE) return [...items].sort(compare);
  const turn = takeTurns(MERGED_PER_TURN);
  let sorted: Item[] = [];
  for (let from = 0; from < items.length; from += SORTED_AT_ONCE) {
    for (const item of items.slice(from, from + SORTED_AT_ONCE).sort(compare)) sorted.push(item);
    await nextTurn();
  }
  for (let width = SORTED_AT_ONCE; width < items.length; width *= 2) {
    const merged: Item[] = [];
    for (let from = 0; from < sorted.length; from += 2 * width) {
      const middle = Math.min(from + width, sorted.length);
      const end = Math.min(from + 2 * width, sorted.length);
      let [left, right] = [from, middle];
      while (left < middle || right < end) {
        const isLeft = right >= end || (left < middle && compare(sorted[left] as Item, sorted[right] as Item) <= 0);
        merged.push(sorted[isLeft ? left++ : right++] as Item);
        const wait = turn();
        if (wait !== undefined) await wait;
      }
    }
    sorted = merged;
  }
  return sorted;
}
