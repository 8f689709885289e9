import type { Table } from '../records/columns.ts';
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
  /** Queues an upload and returns at once; the row is written after about FLUSH_DELAY_MS, together with others. */
  record(upload: Upload, waitUntil: (work: Promise<unknown>) => void): void;
  /** Writes the queued rows of this isolate and waits for writes under way. @throws Error when D1 fails: the rows stay queued. */
  flush(): Promise<void>;
}

/** Uploads within this time share one statement. */
const FLUSH_DELAY_MS = 200;
/** Rows are sent as one JSON parameter, well below D1's limit of 2 MB. */
const ROWS_PER_STATEMENT = 5000;
const POLL_MS = 20;
const MAX_WAIT_MS = 5000;
const RETRY_DELAYS_MS = [0, 500, 2000, 8000];
const INSERT = `INSERT INTO uploads (hash, size, user_uuid, uploaded_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)`;

/**
 * The upload log (D1). Each request that records a block stays alive (`waitUntil`) until a flush after it is done, so
 * an isolate that shuts down in order has written everything. A failed flush puts its rows back.
 */
export function createUploadLog(db: UploadDatabase, sleep: (milliseconds: number) => Promise<void>): UploadLog {
  let waiting: Upload[] = [];
  /** Statements under way, those of other requests included: a promise of another request cannot be awaited here. */
  let writing = 0;

  async function flush(): Promise<void> {
    await write();
    for (let waited = 0; writing > 0 && waited < MAX_WAIT_MS; waited += POLL_MS) await sleep(POLL_MS);
  }

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const rows = waiting.slice(0, ROWS_PER_STATEMENT);
      waiting = waiting.slice(ROWS_PER_STATEMENT);
      const values = rows.map(({ hash, size, userUuid, at }) => [hash, size, userUuid, formatTime(at)]);
      writing++;
      try {
        await db.prepare(INSERT).bind(JSON.stringify(values)).run();
      } catch (error) {
        waiting = [...rows, ...waiting];
        throw error;
      } finally {
        writing--;
      }
    }
  }

  async function flushSoon(): Promise<void> {
    await sleep(FLUSH_DELAY_MS);
    for (const [attempt, delay] of RETRY_DELAYS_MS.entries()) {
      await sleep(delay);
      try {
        return await write();
      } catch (error) {
        if (attempt === RETRY_DELAYS_MS.length - 1) throw error;
      }
    }
  }

  return {
    record(upload, waitUntil) {
      waiting.push(upload);
      waitUntil(flushSoon());
    },
    flush,
  };
}
