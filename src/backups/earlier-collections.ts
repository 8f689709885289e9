import { newestBackup, revisionOf, writeBackup } from '../collections/backup.ts';
import type { Row } from '../records/columns.ts';
import { formatTime } from '../records/times.ts';
import type { FlushContext } from './account-log.ts';
import { readState, writeState } from './backup-state.ts';

const NAME = 'earlier collections';
/** Each costs a listing, and a write where the backup is missing. */
const ROWS_A_CALL = 200;
/** The cron comes every five minutes: after a longer pause an older version may have been running. */
const PAUSE_MS = 1_200_000;

interface Progress {
  /** Rows modified before this time have their backup. */
  since: string;
  after: string;
  done: boolean;
  /** Unix milliseconds of the last call. */
  calledAt: number;
}

/**
 * Collections that a version without backups changed get one: all of them after the upgrade, and after a rollback those that were
 * changed meanwhile. The cron calls.
 */
export async function backUpEarlierCollections({ db, manifests }: FlushContext, now: number): Promise<void> {
  const known = await readState<Partial<Progress>>(db, NAME);
  let { since = '', after = '', done = false } = known ?? {};
  const { calledAt = now } = known ?? {};
  if (done && now - calledAt > PAUSE_MS) [since, after, done] = [formatTime(calledAt - PAUSE_MS), '', false];
  if (!done) {
    const { results } = await db
      .prepare('SELECT * FROM collections WHERE uuid > ? AND modified_at >= ? ORDER BY uuid LIMIT ?')
      .bind(after, since, ROWS_A_CALL)
      .all<Row>();
    for (const row of results) {
      const newest = await newestBackup(manifests, String(row.uuid));
      // A commit meanwhile writes a later revision: both may be there.
      if (newest === null || revisionOf(newest) < Number(row.revision))
        await writeBackup(manifests, row, String(row.modified_at));
    }
    after = String(results.at(-1)?.uuid ?? '');
    done = results.length < ROWS_A_CALL;
  }
  await writeState(db, NAME, { since, after, done, calledAt: now });
}
