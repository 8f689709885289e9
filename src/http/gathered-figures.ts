import { createHandOver } from './hand-over.ts';
import { putBackCounters, takeCounters } from './metrics.ts';
import { KEPT_ERRORS, putBackErrors, type RecentError, takeErrors } from './recent-errors.ts';

/** Requests that ended in one hour. */
export interface Hour {
  /** Whole hours since 1970. */
  hour: number;
  ok: number;
  /** 4xx. */
  refused: number;
  /** 5xx. */
  failed: number;
  /** From the arrival of each to its end, added up. */
  seconds: number;
}

/** One of the objects that add up what isolates counted. */
export interface FigureShardHandle {
  add(figures: [series: string, by: number][], errors: RecentError[]): Promise<void>;
  read(): Promise<[series: string, value: number][]>;
  /** Newest first. */
  errors(): Promise<RecentError[]>;
  /** Oldest first. */
  hours(): Promise<Hour[]>;
}

export interface GatheredFigures {
  /** Hands over what was counted, a second from now; cheap to call at each request. */
  later(): void;
  /** The sums of all isolates. */
  read(): Promise<Map<string, number>>;
  /** The last errors of all isolates, newest first. */
  errors(): Promise<RecentError[]>;
  /** The last days, oldest first. */
  hours(): Promise<Hour[]>;
}

const SHARDS = 8;

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

  async function handOver(): Promise<void> {
    // Random values are only there within a request.
    shard ??= `shard ${Math.floor(Math.random() * SHARDS)}`;
    const taken = takeCounters();
    const errors = takeErrors();
    if (taken.length === 0 && errors.length === 0) return;
    await shardOf(shard)
      .add(taken, errors)
      .catch(() => {
        putBackCounters(taken);
        putBackErrors(errors);
      });
  }

  /** Of every object, after this isolate's own share was handed over. */
  async function ofAll<Result>(ask: (shard: FigureShardHandle) => Promise<Result>): Promise<Result[]> {
    await handOver();
    return Promise.all(Array.from({ length: SHARDS }, (_, i) => ask(shardOf(`shard ${i}`))));
  }

  return {
    later: createHandOver({ handOver, waitUntil, wait, now: Date.now }),
    async read() {
      const sums = new Map<string, number>();
      for (const figures of await ofAll((each) => each.read()))
        for (const [series, value] of figures) sums.set(series, (sums.get(series) ?? 0) + value);
      return sums;
    },
    async errors() {
      const all = (await ofAll((each) => each.errors())).flat();
      return all.sort((a, b) => (a.time < b.time ? 1 : -1)).slice(0, KEPT_ERRORS);
    },
    async hours() {
      const sums = new Map<number, Hour>();
      for (const each of (await ofAll((shard) => shard.hours())).flat()) {
        const sum = sums.get(each.hour) ?? { hour: each.hour, ok: 0, refused: 0, failed: 0, seconds: 0 };
        for (const key of ['ok', 'refused', 'failed', 'seconds'] as const) sum[key] += each[key];
        sums.set(each.hour, sum);
      }
      return [...sums.values()].sort((a, b) => a.hour - b.hour);
    },
  };
}
