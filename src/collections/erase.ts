import { BACKUP_PREFIX, deleteFileBackups, readBackup } from './backup.ts';
import { deleteMetadata } from './edit/metadata-rows.ts';
import { deleteVersionsOf } from './versions.ts';

interface EraseContext {
  db: D1Database;
  manifests: R2Bucket;
}

/**
 * Removes a collection with its past versions, its metadata, its links, its texts and all its backups: nothing can bring it back. Blocks that only it
 * named go with the garbage collection. Safe to repeat, also for a collection that was deleted before.
 * @returns whether there was anything to erase
 */
export async function eraseCollection(uuid: string, { db, manifests }: EraseContext): Promise<boolean> {
  while (!(await deleteVersionsOf(db, { sql: '?', values: [uuid] })));
  const [deleted] = await db.batch<{ manifest_key: string | null }>([
    db.prepare('DELETE FROM collections WHERE uuid = ? RETURNING manifest_key').bind(uuid),
    db.prepare('DELETE FROM file_changes WHERE collection_uuid = ?').bind(uuid),
    db.prepare('DELETE FROM links WHERE head_uuid = ?').bind(uuid),
  ]);
  await deleteMetadata(db, [uuid]);
  const row = deleted?.results[0];
  let found = row !== undefined;
  if (typeof row?.manifest_key === 'string') await manifests.delete(row.manifest_key);
  const prefix = `${BACKUP_PREFIX}${uuid}/`;
  for (let page = await manifests.list({ prefix }); page.objects.length > 0; page = await manifests.list({ prefix })) {
    found = true;
    const texts = new Set<string>();
    for (const { key } of page.objects) {
      const header = (await readBackup(manifests, key))?.header;
      if (typeof header?.manifest_key === 'string') texts.add(header.manifest_key);
      if (header?.past) await deleteFileBackups(manifests, header.past.uuid);
    }
    // What names a text goes after it: an erasure that is interrupted finds it again.
    if (texts.size > 0) await manifests.delete([...texts]);
    await manifests.delete(page.objects.map(({ key }) => key));
  }
  await deleteFileBackups(manifests, uuid);
  return found;
}
