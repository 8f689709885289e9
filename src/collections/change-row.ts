import { isKeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import { formatTime } from '../records/times.ts';
import { refuseDuplicates, updateStatement } from '../records/write-row.ts';
import { writeBackup } from './backup.ts';
import type { ManifestBucket } from './manifest-store.ts';
import { requireRoom } from './quota.ts';

export interface ChangeContext {
  db: D1Database;
  manifests: ManifestBucket;
  /** Unix milliseconds. */
  now: () => number;
}

/**
 * Commits one revision: the backup first, then the row, only if it is still at `revision`. False when it is not. Other
 * statements go in the same transaction; they must check the new revision themselves.
 * @throws KeepError invalid_record when a name is taken; full when a quota is reached
 */
export async function changeRow(
  { db, manifests, now }: ChangeContext,
  uuid: string,
  revision: number,
  columns: Row,
  alongside: D1PreparedStatement[] = [],
): Promise<boolean> {
  const before = await db
    .prepare('SELECT * FROM collections WHERE uuid = ? AND revision = ?')
    .bind(uuid, revision)
    .first<Row>();
  if (before === null) return false;
  const owner = String(columns.owner_uuid ?? before.owner_uuid);
  const isMoved = owner !== before.owner_uuid;
  const size = Number(columns.file_size_total ?? before.file_size_total);
  const growth = await requireRoom(db, owner, size - (isMoved ? 0 : Number(before.file_size_total)));
  const changed = { ...columns, revision: revision + 1 };
  const backup = await writeBackup(manifests, { ...before, ...changed }, formatTime(now()));
  const statement = updateStatement(db, 'collections', uuid, changed, { sql: 'revision = ?', values: [revision] });
  try {
    const [result] = await refuseDuplicates(() => db.batch([statement, ...alongside, ...growth]));
    if ((result?.meta.changes ?? 0) > 0) return true;
  } catch (error) {
    // Whether it was done is not known: the row tells.
    if (!isKeepError(error) && (await isCommitted(db, uuid, changed))) return true;
    await manifests.delete(backup);
    throw error;
  }
  await manifests.delete(backup);
  return false;
}

async function isCommitted(
  db: D1Database,
  uuid: string,
  { revision, modified_at, modified_by_user_uuid }: Row,
): Promise<boolean> {
  const found = await db
    .prepare(
      'SELECT 1 FROM collections WHERE uuid = ? AND revision = ? AND modified_at = ? AND modified_by_user_uuid = ?',
    )
    .bind(uuid, revision, modified_at, modified_by_user_uuid)
    .first();
  return found !== null;
}
