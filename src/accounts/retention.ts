import { deleteRows } from '../records/delete-rows.ts';
import { formatTime, isStoredTime } from '../records/times.ts';

/** How long rows are kept, in seconds; 0: for ever. */
export interface Retention {
  /** Events that clients report and downloads, from their creation. */
  logsSeconds: number;
  /** Events that say who changed or shared something. */
  auditSeconds: number;
  /** The upload log. */
  uploadsSeconds: number;
  /** Tokens, after they have expired. */
  expiredTokensSeconds: number;
}

/** Deletes old events and uploads, in batches. @param now Unix milliseconds */
export async function sweepLogs(
  db: D1Database,
  { logsSeconds, auditSeconds, uploadsSeconds }: Retention,
  now: number,
): Promise<void> {
  await sweep(db, 'logs', 'created_at', logsSeconds, now, 'is_audit = 0 AND ');
  await sweep(db, 'logs', 'created_at', auditSeconds, now, 'is_audit = 1 AND ');
  await sweep(db, 'uploads', 'uploaded_at', uploadsSeconds, now);
}

/** Deletes tokens that expired long ago, in batches. @param now Unix milliseconds */
export function sweepTokens(db: D1Database, { expiredTokensSeconds }: Retention, now: number): Promise<void> {
  return sweep(db, 'tokens', 'expires_at', expiredTokensSeconds, now);
}

/** A row from before the retention began counts as if it were from then: an upgrade deletes nothing at once. */
async function sweep(
  db: D1Database,
  table: string,
  column: string,
  seconds: number,
  now: number,
  which = '',
): Promise<void> {
  if (seconds === 0) return;
  const before = formatTime(now - seconds * 1000);
  const began = await db.prepare('SELECT since FROM retention').first<{ since: string }>();
  if (began === null || before <= began.since) return;
  await deleteRows(db, table, { sql: `${which}${column} < ? AND ${isStoredTime(column)}`, values: [before] });
}
