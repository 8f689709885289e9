import { createBoundedMap } from '../keep/bounded-map.ts';
import {
  type FoundPlace,
  type HashedPlace,
  type MapEntry,
  type Mark,
  type PlaceMap,
  type PlaceTotals,
  SHARDS,
  shardOf,
} from './places.ts';

/** One shard, called from elsewhere: a Durable Object's methods. */
export interface PlaceShardHandle {
  find(hash: string): Promise<FoundPlace[]>;
  add(places: HashedPlace[]): Promise<void>;
  mark(place: HashedPlace, problem: string | null): Promise<void>;
  retire(places: HashedPlace[], problem: string): Promise<void>;
  page(gateway: string, after: string, last: string): Promise<{ entries: MapEntry[]; isOver: boolean }>;
  marks(gateway: string, limit: number): Promise<Mark[]>;
  totals(gateway: string): Promise<PlaceTotals>;
}

/** How long an isolate goes by what it was told of a block. A place that fails is asked for again at once. */
const KEPT_MS = 10_000;
const MAX_KEPT = 5000;
const MAX_KEPT_BYTES = 2 * 1024 * 1024;
/** Shards that are asked at once. */
const LANES = 6;

/** The map over its shards. A stub is good until its first failure: each use gets a new one. */
export function createPlaceMap(shard: (name: string) => PlaceShardHandle, now: () => number): PlaceMap {
  const kept = createBoundedMap<FoundPlace[]>({
    maxEntries: MAX_KEPT,
    maxBytes: MAX_KEPT_BYTES,
    sizeOf: (places) => places.reduce((sum, { key }) => sum + 200 + 2 * key.length, 0),
  });
  const handle = (number: number) => shard(number.toString(16).padStart(2, '0'));

  async function overShards<Result>(ask: (shard: PlaceShardHandle) => Promise<Result>): Promise<Result[]> {
    const results: Result[] = [];
    for (let from = 0; from < SHARDS; from += LANES) {
      const numbers = Array.from({ length: Math.min(LANES, SHARDS - from) }, (_, i) => from + i);
      results.push(...(await Promise.all(numbers.map((number) => ask(handle(number))))));
    }
    return results;
  }

  async function eachShard(
    places: HashedPlace[],
    tell: (shard: PlaceShardHandle, group: HashedPlace[]) => Promise<void>,
  ): Promise<void> {
    const groups = [...Map.groupBy(places, ({ hash }) => shardOf(hash))];
    for (let from = 0; from < groups.length; from += LANES)
      await Promise.all(groups.slice(from, from + LANES).map(([number, group]) => tell(handle(number), group)));
    for (const { hash } of places) kept.delete(hash);
  }

  return {
    async find(hash) {
      const known = kept.get(hash);
      if (known !== undefined) return known;
      const places = await handle(shardOf(hash)).find(hash);
      if (places.length > 0) kept.set(hash, places, now() + KEPT_MS);
      return places;
    },

    knows: (hash) => kept.get(hash) !== undefined,

    add: (places) => eachShard(places, (one, group) => one.add(group)),

    retire: (places, problem) => eachShard(places, (one, group) => one.retire(group, problem)),

    async mark(place, problem) {
      kept.delete(place.hash);
      await handle(shardOf(place.hash)).mark(place, problem);
    },

    async page(gateway, prefix, after) {
      const last = prefix.padEnd(32, 'f');
      const from = after === '' ? lowerBound(prefix) : after;
      const entries: MapEntry[] = [];
      const end = shardOf(last);
      // Empty shards are passed over in one call.
      for (let number = after === '' ? shardOf(prefix.padEnd(32, '0')) : shardOf(after); number <= end; number++) {
        const page = await handle(number).page(gateway, from, last);
        entries.push(...page.entries);
        const lastHere = entries.at(-1)?.hash ?? from;
        if (!page.isOver) return { entries, next: lastHere };
        if (entries.length > 0 && number < end) return { entries, next: endOfShard(number) };
      }
      return { entries, next: null };
    },

    marks: async (gateway, limit) => {
      const marks = (await overShards((one) => one.marks(gateway, limit))).flat();
      return marks.sort((a, b) => b.at - a.at).slice(0, limit);
    },

    totals: async (gateway) => {
      const all = await overShards((one) => one.totals(gateway));
      return all.reduce((sum, { places, bytes, marked }) => ({
        places: sum.places + places,
        bytes: sum.bytes + bytes,
        marked: sum.marked + marked,
      }));
    },
  };
}

/** Sorts before every hash with the prefix: the empty text is before all bytes. */
function lowerBound(prefix: string): string {
  const even = prefix.length % 2 === 0 ? prefix : `${prefix}0`;
  if (even === '' || /^0+$/.test(even)) return '';
  return (BigInt(`0x${even.padEnd(32, '0')}`) - 1n).toString(16).padStart(32, '0');
}

/** The last hash that the shard could hold. */
function endOfShard(number: number): string {
  return ((number << 2) | 3).toString(16).padStart(2, '0').padEnd(32, 'f');
}
