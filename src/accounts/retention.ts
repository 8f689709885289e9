import { deleteRows } from '../records/delete-rows.ts';
import { formatTime, isStoredTime } from '../records/times.ts';

/** How long rows are kept, in seconds; 0: for ever. */
export interface Retention {
  /** Events, from their creation. */
  logsSeconds: number;
  /** The upload log. */
  uploadsSeconds: number;
  /** Tokens, after they have expired. */
  expiredTokensSeconds: number;
}

/**
 * Deletes old logs, uploads and expired tokens, in batches. A row from before the retention began counts as if it were
 * from then: an upgrade deletes nothing at once.
 * @param logsDb holds logs and uploads
 * @param now Unix milliseconds
 * @returns how many rows were deleted
 */
export async function sweepOld(db: D1Database, logsDb: D1Database, retention: Retention, now: number): Promise<number> {
  const began = await db.prepare('SELECT since FROM retention').first<{ since: string }>();
  const sweeps = [
    [logsDb, 'logs', 'created_at', retention.logsSeconds],
    [logsDb, 'uploads', 'uploaded_at', retention.uploadsSeconds],
    [db, 'tokens', 'expires_at', retention.expiredTokensSeconds],
  ] as const;
  let deleted = 0;
  for (const [from, table, column, seconds] of sweeps) {
    const before = formatTime(now - seconds * 1000);
    if (seconds === 0 || began === null || before <= began.since) continue;
    deleted += await deleteRows(from, table, { sql: `${column} < ? AND ${isStoredTime(column)}`, values: [before] });
  }
  return deleted;
}
