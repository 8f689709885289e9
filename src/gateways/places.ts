/** Where the bytes of a block lie: a range of an object that had this ETag when it was hashed. */
export interface Place {
  /** UUID of the gateway. */
  gateway: string;
  key: string;
  /** First byte of the block in the object. */
  start: number;
  /** Bytes of the block. */
  length: number;
  /** Without quotes. */
  etag: string;
  /** Bytes of the whole object. */
  objectSize: number;
}

/** As the map has it: marked when a reader has met a problem there. */
export interface FoundPlace extends Place {
  isMarked: boolean;
}

export interface HashedPlace extends Place {
  /** 32 lowercase hex digits. */
  hash: string;
}

/** What is wrong with a place, as a reader met it. */
export interface Mark extends HashedPlace {
  problem: string;
  /** Unix milliseconds. */
  at: number;
}

export interface MapEntry {
  hash: string;
  size: number;
  /** Unix milliseconds at which it was adopted. */
  modified: number;
}

/** What the map knows about one gateway. */
export interface PlaceTotals {
  places: number;
  bytes: number;
  marked: number;
}

/** The map from hash to places, over all its shards. */
export interface PlaceMap {
  /** Places to try, best first; those that failed lately come last. Empty for a block that no gateway has. */
  find(hash: string): Promise<FoundPlace[]>;
  /** Whether `find` gave places a moment ago. Without asking. */
  knows(hash: string): boolean;
  /** Adds places, or replaces what is known of them. Safe to repeat. */
  add(places: HashedPlace[]): Promise<void>;
  /** Notes what is wrong with a place, or with null that it is good again. */
  mark(place: HashedPlace, problem: string | null): Promise<void>;
  /** Objects that were adopted anew, or are gone: what was known of them stays, to tell readers of past versions. */
  retire(places: HashedPlace[], problem: string): Promise<void>;
  /** Ascending hashes of one gateway after `after` that begin with `prefix`; `next` is null at the end. */
  page(gateway: string, prefix: string, after: string): Promise<{ entries: MapEntry[]; next: string | null }>;
  marks(gateway: string, limit: number): Promise<Mark[]>;
  totals(gateway: string): Promise<PlaceTotals>;
}

/** The shard of a hash: its first six bits. Hashes of one shard are one range, so that an index goes through them in turn. */
export const SHARDS = 64;

export function shardOf(hash: string): number {
  return Number.parseInt(hash.slice(0, 2), 16) >> 2;
}
