import { putBackCounters, takeCounters } from './metrics.ts';

/** One of the objects that add up what isolates counted. */
export interface FigureShardHandle {
  add(figures: [series: string, by: number][]): Promise<void>;
  read(): Promise<[series: string, value: number][]>;
}

export interface GatheredFigures {
  /** Hands over what was counted, a second from now; cheap to call at each request. */
  later(): void;
  /** The sums of all isolates. */
  read(): Promise<Map<string, number>>;
}

const SHARDS = 8;
const DELAY_MS = 1000;
/** A hand-over that was cut off with its request is given up after this time. */
const GIVEN_UP_MS = 30_000;

/**
 * Each isolate adds to one shard of its choice, so that none is asked by all. What an isolate that is killed has counted in its last
 * second is lost.
 */
export function createGatheredFigures(
  shardOf: (name: string) => FigureShardHandle,
  waitUntil: (work: Promise<unknown>) => void,
  wait: (ms: number) => Promise<unknown>,
): GatheredFigures {
  let shard: string | null = null;
  let begun = Number.NEGATIVE_INFINITY;

  async function handOver(): Promise<void> {
    // Random values are only there within a request.
    shard ??= `shard ${Math.floor(Math.random() * SHARDS)}`;
    const taken = takeCounters();
    if (taken.length === 0) return;
    await shardOf(shard)
      .add(taken)
      .catch(() => putBackCounters(taken));
  }

  return {
    later() {
      if (Date.now() - begun < GIVEN_UP_MS) return;
      begun = Date.now();
      waitUntil(
        wait(DELAY_MS)
          .then(() => {
            begun = Number.NEGATIVE_INFINITY;
            return handOver();
          })
          .catch(() => undefined),
      );
    },
    async read() {
      await handOver();
      const sums = new Map<string, number>();
      const shards = Array.from({ length: SHARDS }, (_, i) => shardOf(`shard ${i}`).read());
      for (const figures of await Promise.all(shards))
        for (const [series, value] of figures) sums.set(series, (sums.get(series) ?? 0) + value);
      return sums;
    },
  };
}
