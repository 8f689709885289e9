import { newestBackup, readBackup, writeBackup } from '../collections/backup.ts';
import { KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import { formatTime } from '../records/times.ts';
import { insertNamed } from '../records/write-row.ts';
import type { FlushContext } from './account-log.ts';
import { restoreFiles } from './restore-collections.ts';
import { columnsOf } from './restore-rows.ts';

/**
 * Brings back a collection that was deleted, out of the trash, from its last backup. Links to it and sharing links are not
 * made again.
 * @throws KeepError invalid_record when it is there; not_found without a backup
 */
export async function restoreCollection(uuid: string, { db, manifests }: FlushContext): Promise<{ name: unknown }> {
  if ((await db.prepare('SELECT 1 FROM collections WHERE uuid = ?').bind(uuid).first()) !== null)
    throw new KeepError('invalid_record', { message: 'the collection is there: untrash it, or look at its versions' });
  const key = await newestBackup(manifests, uuid);
  const backup = key === null ? null : await readBackup(manifests, key);
  if (backup === null)
    throw new KeepError('not_found', {
      message: 'there is no backup of this collection: it was erased, or deleted long ago',
    });
  const { header, text } = backup;
  if (header.manifest_key !== null && (await manifests.head(header.manifest_key)) === null)
    throw new KeepError('not_found', { message: 'the text of this collection is not in the bucket any more' });
  const columns = await columnsOf(db, 'collections');
  const record: Row = {
    ...header.record,
    manifest_inline: header.manifest_key === null ? text : null,
    revision: header.revision + 1,
    trash_at: null,
    delete_at: null,
    modified_at: formatTime(Date.now()),
  };
  const row: Row = Object.fromEntries(Object.entries(record).filter(([name]) => columns.has(name)));
  await insertNamed(db, 'collections', row, true, async (inserted) => {
    const written = await writeBackup(manifests, inserted, formatTime(Date.now()));
    return () => manifests.delete(written);
  });
  await restoreFiles({ db, manifests }, uuid, { moment: '', counts: {}, problems: [] });
  return { name: row.name };
}
