import { hasBackup, writeBackup } from '../collections/backup.ts';
import type { Row } from '../records/columns.ts';
import type { FlushContext } from './account-log.ts';
import { readState, writeState } from './backup-state.ts';

const NAME = 'earlier collections';
/** Each costs a listing, and a write where there is no backup. */
const ROWS_A_CALL = 200;

/** Collections that were last changed by a version without backups get one. The cron calls until all were looked at. */
export async function backUpEarlierCollections({ db, manifests }: FlushContext): Promise<void> {
  const state = (await readState<{ after: string; done: boolean }>(db, NAME)) ?? { after: '', done: false };
  if (state.done) return;
  const { results } = await db
    .prepare('SELECT * FROM collections WHERE uuid > ? ORDER BY uuid LIMIT ?')
    .bind(state.after, ROWS_A_CALL)
    .all<Row>();
  for (const row of results) {
    // A commit meanwhile writes a later revision: both may be there.
    if (!(await hasBackup(manifests, String(row.uuid)))) await writeBackup(manifests, row, String(row.modified_at));
  }
  const after = String(results.at(-1)?.uuid ?? '');
  await writeState(db, NAME, { after, done: results.length < ROWS_A_CALL });
}
