/** When a read that keeps its caller waiting is also begun at the next mount. Kept by each isolate for itself. */
export interface Hedging {
  /** Notes how long a mount took until the first byte of an answer, in milliseconds. */
  observe(mount: string, milliseconds: number): void;
  /** How long to wait for this mount before the next one is asked, in milliseconds. */
  patience(mount: string): number;
  /** Counts a read, which earns a share of a second request. */
  countRead(): void;
  /** Whether a second request may be made now; it is then counted. */
  mayHedge(): boolean;
}

const SAMPLES = 200;
const QUANTILE = 0.95;
/** A faster store is not worth a second request. */
const LEAST_MS = 50;
/** While too little is known of a mount. */
const FIRST_MS = 1000;
const FEWEST_SAMPLES = 20;
/** Sorting 200 figures for each read would cost more than it tells. */
const SAMPLES_PER_SORT = 10;
/** Second requests for each read. */
const SHARE = 0.05;
/** Second requests that quiet times can earn in advance. */
const MAX_EARNED = 10;

export function createHedging(): Hedging {
  const mounts = new Map<string, { times: number[]; next: number; patience: number }>();
  let earned = 0;
  const timesOf = (mount: string) => {
    const known = mounts.get(mount) ?? { times: [], next: 0, patience: FIRST_MS };
    mounts.set(mount, known);
    return known;
  };
  return {
    observe(mount, milliseconds) {
      const known = timesOf(mount);
      known.times[known.next % SAMPLES] = milliseconds;
      known.next++;
      if (known.times.length < FEWEST_SAMPLES || known.next % SAMPLES_PER_SORT !== 0) return;
      const sorted = [...known.times].sort((a, b) => a - b);
      known.patience = Math.max(LEAST_MS, sorted[Math.floor(sorted.length * QUANTILE)] ?? FIRST_MS);
    },
    patience: (mount) => timesOf(mount).patience,
    countRead() {
      earned = Math.min(MAX_EARNED, earned + SHARE);
    },
    mayHedge() {
      if (earned < 1) return false;
      earned--;
      return true;
    },
  };
}
