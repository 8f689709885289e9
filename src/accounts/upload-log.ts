import type { Table } from '../records/columns.ts';
import { createRowQueue } from '../records/row-queue.ts';
import { formatTime } from '../records/times.ts';

export const UPLOADS: Table = {
  name: 'uploads',
  kind: 'arvados#keepEdgeUpload',
  columns: {
    id: { type: 'integer' },
    hash: { type: 'text' },
    size: { type: 'integer' },
    user_uuid: { type: 'text' },
    uploaded_at: { type: 'time' },
  },
};

/** One accepted block. */
export interface Upload {
  hash: string;
  /** Bytes. */
  size: number;
  userUuid: string;
  /** Unix milliseconds. */
  at: number;
}

/** The methods used of a D1Database. */
export interface UploadDatabase {
  prepare(sql: string): { bind(...values: unknown[]): { run(): Promise<unknown> } };
}

export interface UploadLog {
  /** Queues an upload and returns at once; the row is written a little later, together with others. */
  record(upload: Upload, waitUntil: (work: Promise<unknown>) => void): void;
  /** Writes the queued rows of this isolate and waits for writes under way. @throws Error when D1 fails: the rows stay queued. */
  flush(): Promise<void>;
}

/** Rows are sent as one JSON parameter, well below D1's limit of 2 MB. */
const ROWS_PER_STATEMENT = 5000;
const INSERT = `INSERT INTO uploads (hash, size, user_uuid, uploaded_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)`;

/** The upload log (D1). */
export function createUploadLog(db: UploadDatabase, sleep: (milliseconds: number) => Promise<void>): UploadLog {
  const queue = createRowQueue<Upload>({
    write(rows) {
      const values = rows.map(({ hash, size, userUuid, at }) => [hash, size, userUuid, formatTime(at)]);
      return db.prepare(INSERT).bind(JSON.stringify(values)).run();
    },
    rowsPerWrite: ROWS_PER_STATEMENT,
    sleep,
  });
  return { record: queue.add, flush: queue.flush };
}
