import { hexOf } from '../streams/md5-stream.ts';
import type { FoundPlace, HashedPlace, MapEntry, Mark, Place, PlaceTotals } from './places.ts';

/** Gateways are numbered, so that a row does not repeat a UUID. */
const SCHEMA = [
  'CREATE TABLE IF NOT EXISTS gateways (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, places INTEGER NOT NULL, bytes INTEGER NOT NULL)',
  `CREATE TABLE IF NOT EXISTS places (
    hash BLOB NOT NULL, gateway INTEGER NOT NULL, key TEXT NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
    etag TEXT NOT NULL, object_size INTEGER NOT NULL, adopted_ms INTEGER NOT NULL, problem TEXT, problem_ms INTEGER,
    PRIMARY KEY (hash, gateway, key, start)) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS places_marked ON places (gateway) WHERE problem_ms IS NOT NULL',
];

/** Places of one block: more of them would not make it safer. A block of zeros may be in millions of objects. */
const MAX_PLACES = 16;
const PAGE = 5000;

export type PlaceRows = ReturnType<typeof createPlaceRows>;

/** One shard of the map, in a Durable Object's SQLite. */
export function createPlaceRows(storage: DurableObjectStorage) {
  const { sql } = storage;
  for (const statement of SCHEMA) sql.exec(statement);
  const ids = new Map<string, number>();

  function idOf(uuid: string): number | null {
    const known = ids.get(uuid);
    if (known !== undefined) return known;
    const [row] = sql.exec<{ id: number }>('SELECT id FROM gateways WHERE uuid = ?', uuid).toArray();
    if (row !== undefined) ids.set(uuid, row.id);
    return row?.id ?? null;
  }

  function idFor(uuid: string): number {
    sql.exec('INSERT OR IGNORE INTO gateways (uuid, places, bytes) VALUES (?, 0, 0)', uuid);
    return idOf(uuid) ?? 0;
  }

  function addOne({ hash, gateway, key, start, length, etag, objectSize }: HashedPlace, now: number): void {
    const id = idFor(gateway);
    const bytes = bytesOf(hash);
    const known = sql
      .exec<{ gateway: number; key: string; start: number; marked: number }>(
        'SELECT gateway, key, start, problem IS NOT NULL AS marked FROM places WHERE hash = ? LIMIT ?',
        bytes,
        MAX_PLACES,
      )
      .toArray();
    const isKnown = known.some((row) => row.gateway === id && row.key === key && row.start === start);
    if (!isKnown && known.length >= MAX_PLACES) {
      const stale = known.find(({ marked }) => marked === 1);
      if (stale === undefined) return;
      remove(bytes, stale, length);
    }
    sql.exec(
      'INSERT OR REPLACE INTO places (hash, gateway, key, start, length, etag, object_size, adopted_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      bytes,
      id,
      key,
      start,
      length,
      etag,
      objectSize,
      now,
    );
    if (!isKnown) count(id, 1, length);
  }

  function remove(hash: ArrayBuffer, row: { gateway: number; key: string; start: number }, length: number): void {
    sql.exec(
      'DELETE FROM places WHERE hash = ? AND gateway = ? AND key = ? AND start = ?',
      hash,
      row.gateway,
      row.key,
      row.start,
    );
    count(row.gateway, -1, -length);
  }

  function count(gateway: number, places: number, bytes: number): void {
    sql.exec('UPDATE gateways SET places = places + ?, bytes = bytes + ? WHERE id = ?', places, bytes, gateway);
  }

  return {
    find(hash: string): FoundPlace[] {
      return sql
        .exec<Record<string, SqlStorageValue>>(
          `SELECT uuid, key, start, length, etag, object_size, problem IS NOT NULL AS marked FROM places
             JOIN gateways ON gateways.id = places.gateway WHERE hash = ? LIMIT ?`,
          bytesOf(hash),
          MAX_PLACES,
        )
        .toArray()
        .map((row) => ({ ...placeOf(row), isMarked: row.marked === 1 }))
        .sort((a, b) => Number(a.isMarked) - Number(b.isMarked));
    },

    /** All of them, or none. */
    add(places: HashedPlace[], now: number): void {
      storage.transactionSync(() => {
        for (const place of places) addOne(place, now);
      });
    },

    /** Nothing when the place was adopted anew meanwhile. */
    mark({ hash, gateway, key, start, etag }: HashedPlace, problem: string | null, now: number): void {
      const id = idOf(gateway);
      if (id === null) return;
      sql.exec(
        `UPDATE places SET problem = ?1, problem_ms = ?2
         WHERE hash = ?3 AND gateway = ?4 AND key = ?5 AND start = ?6 AND etag = ?7 AND problem IS NOT ?1
           AND (problem IS NULL OR problem_ms IS NOT NULL OR ?1 IS NULL)`,
        problem,
        problem === null ? null : now,
        bytesOf(hash),
        id,
        key,
        start,
        etag,
      );
    },

    /** Its object is another one now: no mark, because nothing is to be done. */
    retire(places: HashedPlace[], problem: string): void {
      storage.transactionSync(() => {
        for (const { hash, gateway, key, start, etag } of places)
          sql.exec(
            `UPDATE places SET problem = ?, problem_ms = NULL
             WHERE hash = ? AND gateway = ? AND key = ? AND start = ? AND etag = ?`,
            problem,
            bytesOf(hash),
            idOf(gateway) ?? 0,
            key,
            start,
            etag,
          );
      });
    },

    /** Ascending, each hash once. Shorter than a page: the shard's end. */
    page(gateway: string, first: string, last: string): { entries: MapEntry[]; isOver: boolean } {
      const rows = sql
        .exec<{ hash: ArrayBuffer; size: number; modified: number }>(
          `SELECT hash, max(length) AS size, max(adopted_ms) AS modified FROM places
           WHERE gateway = ? AND hash > ? AND hash <= ? GROUP BY hash ORDER BY hash LIMIT ?`,
          idOf(gateway) ?? 0,
          bytesOf(first),
          bytesOf(last),
          PAGE,
        )
        .toArray();
      return {
        entries: rows.map(({ hash, size, modified }) => ({ hash: hexOf(hash), size, modified })),
        isOver: rows.length < PAGE,
      };
    },

    marks(gateway: string, limit: number): Mark[] {
      return sql
        .exec<Record<string, SqlStorageValue>>(
          `SELECT hash, ? AS uuid, key, start, length, etag, object_size, problem, problem_ms FROM places INDEXED BY places_marked
           WHERE gateway = ? AND problem_ms IS NOT NULL LIMIT ?`,
          gateway,
          idOf(gateway) ?? 0,
          limit,
        )
        .toArray()
        .map((row) => ({
          hash: hexOf(row.hash as ArrayBuffer),
          ...placeOf(row),
          problem: String(row.problem),
          at: Number(row.problem_ms),
        }));
    },

    totals(gateway: string): PlaceTotals {
      const id = idOf(gateway) ?? 0;
      const [row] = sql
        .exec<{ places: number; bytes: number }>('SELECT places, bytes FROM gateways WHERE id = ?', id)
        .toArray();
      const { n } = sql
        .exec<{ n: number }>(
          'SELECT count(*) AS n FROM places INDEXED BY places_marked WHERE gateway = ? AND problem_ms IS NOT NULL',
          id,
        )
        .one();
      return { places: row?.places ?? 0, bytes: row?.bytes ?? 0, marked: n };
    },
  };
}

function placeOf(row: Record<string, SqlStorageValue>): Place {
  return {
    gateway: String(row.uuid),
    key: String(row.key),
    start: Number(row.start),
    length: Number(row.length),
    etag: String(row.etag),
    objectSize: Number(row.object_size),
  };
}

/** Of any number of hex digits. */
function bytesOf(hex: string): ArrayBuffer {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)).buffer;
}
