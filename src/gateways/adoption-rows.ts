import { MAX_BLOCK_BYTES } from '../keep/limits.ts';
import { hexOf } from '../streams/md5-stream.ts';
import { type Adoption, type AdoptionProblem, NO_ADOPTION_COUNTS, type WantedObject } from './adoption.ts';
import type { ListedObject } from './bucket.ts';
import { pathOfKey, type Scope } from './object-path.ts';

/**
 * `etag`, `size` and `hashes` are what was adopted; `listed_*` is what the last listing saw. `partial` are those of
 * the object that was listed, as far as it is hashed. Directories are bytes with zeros between the components, so that their order is
 * that of a tree.
 */
const SCHEMA = [
  'CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID',
  `CREATE TABLE IF NOT EXISTS objects (
    key TEXT PRIMARY KEY, directory BLOB NOT NULL, name TEXT NOT NULL, etag TEXT, size INTEGER, hashes BLOB,
    listed_etag TEXT NOT NULL, listed_size INTEGER NOT NULL, seen INTEGER NOT NULL, pending INTEGER NOT NULL,
    partial BLOB, problem TEXT) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS objects_pending ON objects (key) WHERE pending = 1',
  'CREATE INDEX IF NOT EXISTS objects_problem ON objects (key) WHERE problem IS NOT NULL',
  'CREATE INDEX IF NOT EXISTS objects_path ON objects (directory, name)',
];

const HASH_BYTES = 16;

/** An object as the manifest and the copies see it. */
export interface AdoptedRow {
  key: string;
  directory: ArrayBuffer;
  name: string;
  size: number;
  /** MD5s of its blocks, one after the other. */
  hashes: Uint8Array;
}

export interface PendingObject {
  key: string;
  size: number;
  etag: string;
  /** Hashes of its first blocks. */
  partial: string[];
}

export interface FinishedObject {
  key: string;
  size: number;
  etag: string;
  hashes: string[];
}

export type AdoptionRows = ReturnType<typeof createAdoptionRows>;

/** One adoption's state, in its Durable Object. */
export function createAdoptionRows(storage: DurableObjectStorage) {
  const { sql } = storage;
  for (const statement of SCHEMA) sql.exec(statement);

  return {
    load(): Adoption | null {
      const [row] = sql.exec<{ value: string }>("SELECT value FROM state WHERE name = 'adoption'").toArray();
      if (row === undefined) return null;
      const adoption = JSON.parse(row.value) as Adoption;
      return { ...adoption, counts: { ...NO_ADOPTION_COUNTS, ...adoption.counts } };
    },

    /** Ends a step: the new state and what belongs to it, in one transaction. What was cancelled stays so. */
    save(adoption: Adoption, alongside: () => void = () => undefined): void {
      storage.transactionSync(() => {
        alongside();
        const known = this.load();
        if (known?.phase === 'cancelled' && known.generation === adoption.generation) return;
        sql.exec("INSERT OR REPLACE INTO state VALUES ('adoption', ?)", JSON.stringify(adoption));
      });
    },

    /** Takes a page of a listing. @returns what its objects are, in their order */
    list(objects: ListedObject[], scope: Scope, generation: number): ('unchanged' | 'changed' | 'fresh')[] {
      return objects.map(({ key, size, etag }) => {
        const [known] = sql
          .exec<{ etag: string | null; size: number | null; seen: number }>(
            'SELECT etag, size, seen FROM objects WHERE key = ?',
            key,
          )
          .toArray();
        const isSame = known !== undefined && known.etag === etag && known.size === size;
        const { directory, name } = pathOfKey(scope.relative(key), size);
        // There is nothing to hash in an empty object.
        const isEmpty = size === 0;
        sql.exec(
          `INSERT INTO objects (key, directory, name, etag, size, hashes, listed_etag, listed_size, seen, pending)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
           ON CONFLICT (key) DO UPDATE SET
             partial = CASE WHEN listed_etag = ?7 AND listed_size = ?8 THEN partial END, problem = NULL,
             directory = ?2, name = ?3, listed_etag = ?7, listed_size = ?8, seen = ?9, pending = ?10,
             etag = coalesce(?4, etag), size = coalesce(?5, size), hashes = coalesce(?6, hashes)`,
          key,
          directoryBytes(directory),
          name,
          isEmpty ? etag : null,
          isEmpty ? 0 : null,
          isEmpty ? new ArrayBuffer(0) : null,
          etag,
          size,
          generation,
          isSame || isEmpty ? 0 : 1,
        );
        if (isSame) return 'unchanged';
        return known === undefined || known.etag === null ? 'fresh' : 'changed';
      });
    },

    /** Adopted objects that the listing did not see. */
    gone(generation: number, limit: number): { count: number; keys: string[] } {
      const { n } = sql
        .exec<{ n: number }>('SELECT count(*) AS n FROM objects WHERE seen < ? AND etag IS NOT NULL', generation)
        .one();
      const rows = sql
        .exec<{ key: string }>('SELECT key FROM objects WHERE seen < ? AND etag IS NOT NULL LIMIT ?', generation, limit)
        .toArray();
      return { count: n, keys: rows.map(({ key }) => key) };
    },

    /** Objects that are other ones than those that were adopted. */
    changed(generation: number, limit: number): { key: string; size: number; listedSize: number }[] {
      return sql
        .exec<{ key: string; size: number; listedSize: number }>(
          `SELECT key, size, listed_size AS listedSize FROM objects INDEXED BY objects_pending
           WHERE pending = 1 AND seen = ? AND etag IS NOT NULL LIMIT ?`,
          generation,
          limit,
        )
        .toArray();
    },

    /** Some of what the last listing did not see, as it was adopted, in the order of the keys. */
    unseen(generation: number, after: string, limit: number): FinishedObject[] {
      return sql
        .exec(
          'SELECT key, etag, size, hashes FROM objects WHERE seen < ? AND key > ? ORDER BY key LIMIT ?',
          generation,
          after,
          limit,
        )
        .toArray()
        .map(finishedOf);
    },

    forget(objects: { key: string }[]): void {
      for (const { key } of objects) sql.exec('DELETE FROM objects WHERE key = ?', key);
    },

    /** What was adopted under these keys before, where it was something else. */
    earlier(objects: FinishedObject[]): FinishedObject[] {
      return objects.flatMap(({ key, etag }) =>
        sql
          .exec('SELECT key, etag, size, hashes FROM objects WHERE key = ? AND etag <> ?', key, etag)
          .toArray()
          .map(finishedOf),
      );
    },

    pending(limit: number, after = ''): PendingObject[] {
      return sql
        .exec<{ key: string; size: number; etag: string; partial: ArrayBuffer | null }>(
          `SELECT key, listed_size AS size, listed_etag AS etag, partial FROM objects INDEXED BY objects_pending
           WHERE pending = 1 AND key > ? ORDER BY key LIMIT ?`,
          after,
          limit,
        )
        .toArray()
        .map(({ partial, ...row }) => ({ ...row, partial: partial === null ? [] : hashesOf(new Uint8Array(partial)) }));
    },

    wanted(limit: number, after: string): WantedObject[] {
      return this.pending(limit, after).map(({ key, size, etag }) => ({ key, size, etag }));
    },

    /** Hashes of an object that is not yet through. */
    keepPartial({ key, etag }: PendingObject, hashes: string[]): void {
      sql.exec('UPDATE objects SET partial = ? WHERE key = ? AND listed_etag = ?', blobOf(hashes), key, etag);
    },

    finish(objects: FinishedObject[]): void {
      for (const { key, size, etag, hashes } of objects) {
        sql.exec(
          `UPDATE objects SET etag = ?1, size = ?2, hashes = ?3, partial = NULL, problem = NULL, pending = 0
           WHERE key = ?4 AND listed_etag = ?1 AND listed_size = ?2`,
          etag,
          size,
          blobOf(hashes),
          key,
        );
      }
    },

    /** Until the next listing. */
    fail(key: string, problem: string): void {
      sql.exec('UPDATE objects SET pending = 0, problem = ? WHERE key = ?', problem, key);
    },

    problems(limit: number): AdoptionProblem[] {
      return sql
        .exec<{ key: string; problem: string }>(
          'SELECT key, problem FROM objects INDEXED BY objects_problem WHERE problem IS NOT NULL ORDER BY key LIMIT ?',
          limit,
        )
        .toArray();
    },

    /** Adopted objects of one directory in the order of their names, after the given one. */
    page(generation: number, after: AdoptedRow | null, limit: number, directory: ArrayBuffer): AdoptedRow[] {
      return sql
        .exec(
          `SELECT key, directory, name, size, hashes FROM objects INDEXED BY objects_path
           WHERE directory = ? AND (name, key) > (?, ?) AND seen >= ? AND etag = listed_etag AND size = listed_size
           ORDER BY name, key LIMIT ?`,
          directory,
          after?.name ?? '',
          after?.key ?? '',
          generation,
          limit,
        )
        .toArray()
        .map(adoptedOf);
    },

    /** Objects whose path another one has already. */
    markSamePaths(): number {
      const { rowsWritten } = sql.exec(
        `UPDATE objects SET problem = 'left out: another object has the same path in the collection'
         WHERE name <> '' AND problem IS NULL AND EXISTS (
           SELECT 1 FROM objects AS other INDEXED BY objects_path
           WHERE other.directory = objects.directory AND other.name = objects.name AND other.key < objects.key)`,
      );
      return rowsWritten;
    },

    /** The directory that follows in the order of a tree; null at the end. */
    nextDirectory(after: ArrayBuffer | null): ArrayBuffer | null {
      const [row] = (
        after === null
          ? sql.exec('SELECT directory FROM objects INDEXED BY objects_path ORDER BY directory LIMIT 1')
          : sql.exec(
              'SELECT directory FROM objects INDEXED BY objects_path WHERE directory > ? ORDER BY directory LIMIT 1',
              after,
            )
      ).toArray();
      return row === undefined ? null : (row.directory as ArrayBuffer);
    },

    /** Whether objects lie in this directory or below it. */
    isDirectory(path: ArrayBuffer, below = false): boolean {
      const inside = concatenated(path, 0);
      const behind = concatenated(path, 1);
      const [row] = sql
        .exec(
          `SELECT 1 FROM objects INDEXED BY objects_path WHERE directory >= ? AND directory < ? LIMIT 1`,
          inside,
          behind,
        )
        .toArray();
      if (row !== undefined || below) return row !== undefined;
      return (
        sql.exec('SELECT 1 FROM objects INDEXED BY objects_path WHERE directory = ? LIMIT 1', path).toArray().length > 0
      );
    },

    /** In the order of their keys. */
    byKey(generation: number, after: string, limit: number): AdoptedRow[] {
      return sql
        .exec(
          `SELECT key, directory, name, size, hashes FROM objects
           WHERE seen >= ? AND etag = listed_etag AND size = listed_size AND key > ? ORDER BY key LIMIT ?`,
          generation,
          after,
          limit,
        )
        .toArray()
        .map(adoptedOf);
    },
  };
}

function finishedOf(row: Record<string, SqlStorageValue>): FinishedObject {
  return {
    key: String(row.key),
    etag: String(row.etag ?? ''),
    size: Number(row.size ?? 0),
    hashes: row.hashes === null ? [] : hashesOf(new Uint8Array(row.hashes as ArrayBuffer)),
  };
}

function adoptedOf(row: Record<string, SqlStorageValue>): AdoptedRow {
  return {
    key: String(row.key),
    directory: row.directory as ArrayBuffer,
    name: String(row.name),
    size: Number(row.size),
    hashes: new Uint8Array(row.hashes as ArrayBuffer),
  };
}

/** The blocks of an object as `[hash, bytes]`. */
export function* blocksIn({ size, hashes }: Pick<AdoptedRow, 'size' | 'hashes'>): Generator<[string, number]> {
  for (let at = 0, start = 0; at < hashes.length; at += HASH_BYTES, start += MAX_BLOCK_BYTES)
    yield [hexOf(hashes.slice(at, at + HASH_BYTES).buffer), Math.min(MAX_BLOCK_BYTES, size - start)];
}

export function directoryBytes(components: string[]): ArrayBuffer {
  return new Uint8Array(new TextEncoder().encode(components.join('\0'))).buffer;
}

function concatenated(path: ArrayBuffer, last: number): ArrayBuffer {
  const bytes = new Uint8Array(path.byteLength + 1);
  bytes.set(new Uint8Array(path));
  bytes[path.byteLength] = last;
  return bytes.buffer;
}

function blobOf(hashes: string[]): ArrayBuffer {
  return Uint8Array.from(hashes.join('').match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)).buffer;
}

function hashesOf(bytes: Uint8Array): string[] {
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, i) =>
    hexOf(bytes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES).buffer),
  );
}
