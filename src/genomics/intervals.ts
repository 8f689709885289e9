/** 0-based, `end` not included. */
export interface Interval {
  start: number;
  end: number;
}

/** In their order, those that touch or overlap joined, without what is outside of 0 to `most`. */
export function joinIntervals(intervals: readonly Interval[], most: number): Interval[] {
  const joined: Interval[] = [];
  for (const interval of intervals.toSorted((a, b) => a.start - b.start)) {
    const start = Math.max(0, interval.start);
    const end = Math.min(interval.end, most);
    const last = joined.at(-1);
    if (end <= start) continue;
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else joined.push({ start, end });
  }
  return joined;
}

/** The number of the first that overlaps; null for none. @param intervals ascending and apart */
export function firstOverlap(intervals: readonly Interval[], { start, end }: Interval): number | null {
  let [low, high] = [0, intervals.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((intervals[middle]?.end ?? 0) > start) high = middle;
    else low = middle + 1;
  }
  return (intervals[low]?.start ?? Number.POSITIVE_INFINITY) < end ? low : null;
}
