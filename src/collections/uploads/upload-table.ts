import { KeepError } from '../../keep/errors.ts';
import { type FoundUpload, UPLOAD_LIFETIME_SECONDS, type Upload, type UploadFacts } from './upload.ts';

interface UploadRow {
  id: string;
  path: string;
  user_uuid: string;
  facts: string;
  created_at: number;
  completed: string | null;
  [column: string]: SqlStorageValue;
}

/** Open uploads that a collection may have. */
export const MAX_OPEN_UPLOADS = 1000;
/** Uploads that one sweep ends: each has up to MAX_PARTS rows of parts. */
const MAX_SWEPT = 500;

const COLUMNS = 'id, path, user_uuid, facts, created_at';

/**
 * The uploads of one collection in the SQLite of its Durable Object, where no database says which there are: beside a
 * cluster.
 */
export function createUploadTable({ sql }: Pick<DurableObjectStorage, 'sql'>) {
  sql.exec(
    `CREATE TABLE IF NOT EXISTS uploads (
       id TEXT PRIMARY KEY, path TEXT NOT NULL, user_uuid TEXT NOT NULL, facts TEXT NOT NULL,
       created_at INTEGER NOT NULL, completed TEXT) WITHOUT ROWID;
     CREATE INDEX IF NOT EXISTS uploads_by_path ON uploads (path, id) WHERE completed IS NULL;
     CREATE INDEX IF NOT EXISTS uploads_by_age ON uploads (created_at)`,
  );
  const rows = (query: string, ...values: SqlStorageValue[]) => sql.exec<UploadRow>(query, ...values).toArray();
  return {
    /** @throws KeepError slow_down when very many are open */
    insert({ id, path, userUuid, metadata, checksum }: Omit<Upload, 'createdAt'>, now: number): void {
      const open = rows(`SELECT id FROM uploads WHERE completed IS NULL LIMIT ${MAX_OPEN_UPLOADS}`).length;
      if (open >= MAX_OPEN_UPLOADS)
        throw new KeepError('slow_down', {
          message: `the collection has ${MAX_OPEN_UPLOADS} open uploads: complete or abort some of them first`,
        });
      const facts: UploadFacts = { metadata, checksum };
      sql.exec(
        `INSERT INTO uploads (${COLUMNS}) VALUES (?, ?, ?, ?, ?)`,
        id,
        path,
        userUuid,
        JSON.stringify(facts),
        now,
      );
    },
    find(uuid: string, id: string): FoundUpload | null {
      const [row] = rows(`SELECT ${COLUMNS}, completed FROM uploads WHERE id = ?`, id);
      if (row === undefined) return null;
      return { upload: toUpload(uuid, row), completed: row.completed === null ? null : JSON.parse(row.completed) };
    },
    /** Open ones by path, then id. */
    list(uuid: string, { path, id, limit }: { path: string; id: string; limit: number }): Upload[] {
      const query = `SELECT ${COLUMNS} FROM uploads WHERE completed IS NULL AND (path, id) > (?, ?) ORDER BY path, id LIMIT ?`;
      return rows(query, path, id, limit).map((row) => toUpload(uuid, row));
    },
    /** @returns whether it was there and open */
    delete(id: string): boolean {
      return rows('DELETE FROM uploads WHERE id = ? AND completed IS NULL RETURNING id', id).length > 0;
    },
    complete(id: string, result: string): void {
      sql.exec('UPDATE uploads SET completed = ? WHERE id = ?', result, id);
    },
    /** Ends uploads that are older than they may get, the oldest first and at most MAX_SWEPT. @returns their ids */
    sweep(now: number): string[] {
      const old = rows(
        `DELETE FROM uploads WHERE id IN
           (SELECT id FROM uploads WHERE created_at <= ? ORDER BY created_at LIMIT ${MAX_SWEPT}) RETURNING id`,
        now - UPLOAD_LIFETIME_SECONDS * 1000,
      );
      return old.map(({ id }) => id);
    },
    /** When the next upload ends, in Unix milliseconds; null when there is none. */
    nextEnd(): number | null {
      const [row] = rows('SELECT created_at FROM uploads ORDER BY created_at LIMIT 1');
      return row === undefined ? null : row.created_at + UPLOAD_LIFETIME_SECONDS * 1000;
    },
  };
}

export type UploadTable = ReturnType<typeof createUploadTable>;

function toUpload(collectionUuid: string, { id, path, user_uuid, facts, created_at }: UploadRow): Upload {
  const { metadata, checksum } = JSON.parse(facts) as UploadFacts;
  const createdAt = new Date(created_at).toISOString();
  return { id, collectionUuid, path, userUuid: user_uuid, createdAt, metadata, checksum };
}
