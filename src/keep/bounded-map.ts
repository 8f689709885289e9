export interface BoundedMap<Value> {
  /** The entry's value if it has not expired. It counts as just used. */
  get(key: string): Value | undefined;
  /**
   * Adds or replaces an entry and evicts the least recently used ones. An entry larger than the whole map is not kept.
   * @param until when it expires, in the unit of `now`; default: never
   */
  set(key: string, value: Value, until?: number): void;
  delete(key: string): void;
  clear(): void;
  /** What is held now, expired entries that were not yet dropped included. */
  readonly held: { entries: number; bytes: number };
}

export interface BoundedMapOptions<Value> {
  maxEntries: number;
  /** Bytes of keys and values together. */
  maxBytes: number;
  /** Bytes that one value holds, about; keys are counted by the map. */
  sizeOf: (value: Value) => number;
  /** Default: Unix milliseconds. */
  now?: () => number;
}

/** What the engine takes for an entry beside its key and value. */
const ENTRY_OVERHEAD_BYTES = 100;
/** Entries that each `set` examines for expiry: more than it adds, so that every entry is reached. */
const EXAMINED_PER_SET = 4;

interface Entry<Value> {
  value: Value;
  bytes: number;
  until: number;
}

/**
 * A cache in one isolate's memory: bounded in entries and bytes, least recently used out first, expired entries
 * dropped. Keys that contain text sent by a client are digested by the caller (`cacheKey`): they may be megabytes
 * long, and may be secrets.
 */
export function createBoundedMap<Value>(options: BoundedMapOptions<Value>): BoundedMap<Value> {
  const { maxEntries, maxBytes, sizeOf, now = Date.now } = options;
  const entries = new Map<string, Entry<Value>>();
  let bytes = 0;
  /** Goes round the entries; a Map's iterator stays valid while entries come and go. */
  let examined = entries.entries();

  const drop = (key: string) => {
    bytes -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  };
  const dropExpired = () => {
    for (let count = 0; count < EXAMINED_PER_SET; count++) {
      const next = examined.next();
      if (next.done === true) {
        examined = entries.entries();
        return;
      }
      if (next.value[1].until <= now()) drop(next.value[0]);
    }
  };

  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (entry.until <= now()) {
        drop(key);
        return undefined;
      }
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, until = Number.POSITIVE_INFINITY) {
      drop(key);
      dropExpired();
      const size = ENTRY_OVERHEAD_BYTES + 2 * key.length + sizeOf(value);
      if (size > maxBytes || until <= now()) return;
      entries.set(key, { value, bytes: size, until });
      bytes += size;
      for (const oldest of entries.keys()) {
        if (bytes <= maxBytes && entries.size <= maxEntries) break;
        drop(oldest);
      }
    },
    delete: drop,
    clear() {
      entries.clear();
      bytes = 0;
      examined = entries.entries();
    },
    get held() {
      return { entries: entries.size, bytes };
    },
  };
}

/** A short key of fixed length for texts of any length: the hex SHA-256 of all of them in their order. */
export async function cacheKey(...texts: string[]): Promise<string> {
  // JSON keeps apart texts that are cut differently, and lone surrogates, which are all one character in UTF-8.
  const text = JSON.stringify(texts);
  const known = recentKeys.get(text);
  if (known !== undefined) return known;
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  let key = '';
  for (const byte of new Uint8Array(digest)) key += HEX[byte];
  if (text.length <= MAX_RECENT_CHARS) {
    const [oldest] = recentKeys.keys();
    if (recentKeys.size >= MAX_RECENT && oldest !== undefined) recentKeys.delete(oldest);
    recentKeys.set(text, key);
  }
  return key;
}

/** Keys that were made last, by their texts: a reader asks for one thing many times in a row, and a digest costs more than a look. */
const recentKeys = new Map<string, string>();
const MAX_RECENT = 100;
const MAX_RECENT_CHARS = 1000;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
