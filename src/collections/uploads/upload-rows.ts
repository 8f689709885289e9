import type { Row } from '../../records/columns.ts';
import { formatTime } from '../../records/times.ts';
import { type FoundUpload, UPLOAD_LIFETIME_SECONDS, type Upload, type UploadFacts } from './upload.ts';

/** Uploads that one run of the cron ends. */
const SWEPT_AT_ONCE = 500;
const COLUMNS = 'id, collection_uuid, path, user_uuid, facts, created_at';

export async function insertUpload(db: D1Database, upload: Omit<Upload, 'createdAt'>, now: number): Promise<void> {
  const { id, collectionUuid, path, userUuid, metadata, checksum } = upload;
  const facts: UploadFacts = { metadata, checksum };
  await db
    .prepare(`INSERT INTO multipart_uploads (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`)
    .bind(id, collectionUuid, path, userUuid, JSON.stringify(facts), formatTime(now))
    .run();
}

/** An upload of a collection. */
export async function findUpload(db: D1Database, uuid: string, id: string): Promise<FoundUpload | null> {
  const row = await db
    .prepare(`SELECT ${COLUMNS}, completed FROM multipart_uploads WHERE id = ? AND collection_uuid = ?`)
    .bind(id, uuid)
    .first<Row>();
  if (row === null) return null;
  const { completed } = row;
  return { upload: toUpload(row), completed: typeof completed === 'string' ? JSON.parse(completed) : null };
}

/** Open uploads of a collection by path, then id. */
export async function listUploads(
  db: D1Database,
  uuid: string,
  { path, id, limit }: { path: string; id: string; limit: number },
): Promise<Upload[]> {
  const { results } = await db
    .prepare(
      `SELECT ${COLUMNS} FROM multipart_uploads WHERE collection_uuid = ?1 AND completed IS NULL AND (path, id) > (?2, ?3)
       ORDER BY path, id LIMIT ?4`,
    )
    .bind(uuid, path, id, limit)
    .all<Row>();
  return results.map(toUpload);
}

/** @returns whether it was there and open */
export async function deleteUpload(db: D1Database, uuid: string, id: string): Promise<boolean> {
  const { meta } = await db
    .prepare('DELETE FROM multipart_uploads WHERE id = ? AND collection_uuid = ? AND completed IS NULL')
    .bind(id, uuid)
    .run();
  return meta.changes > 0;
}

/** Has an effect only while the collection is at `revision`: it comes before the update of its row, in one batch. */
export function completeStatement(
  db: D1Database,
  uuid: string,
  revision: number,
  { upload, result }: { upload: string; result: string },
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE multipart_uploads SET completed = ? WHERE id = ? AND EXISTS (SELECT 1 FROM collections WHERE uuid = ? AND revision = ?)`,
    )
    .bind(result, upload, uuid, revision);
}

/**
 * Ends uploads that are older than they may get.
 * @param drop deletes their parts: before the rows, which are what is known of them
 */
export async function sweepUploads(
  db: D1Database,
  now: number,
  drop: (uuid: string, uploads: string[]) => Promise<void>,
): Promise<void> {
  const { results } = await db
    .prepare('SELECT id, collection_uuid FROM multipart_uploads WHERE created_at < ? ORDER BY created_at LIMIT ?')
    .bind(formatTime(now - UPLOAD_LIFETIME_SECONDS * 1000), SWEPT_AT_ONCE)
    .all<{ id: string; collection_uuid: string }>();
  const byCollection = new Map<string, string[]>();
  for (const { id, collection_uuid } of results)
    byCollection.set(collection_uuid, [...(byCollection.get(collection_uuid) ?? []), id]);
  for (const [uuid, uploads] of byCollection) {
    await drop(uuid, uploads);
    await db
      .prepare('DELETE FROM multipart_uploads WHERE id IN (SELECT value FROM json_each(?))')
      .bind(JSON.stringify(uploads))
      .run();
  }
}

function toUpload(row: Row): Upload {
  const { metadata, checksum } = JSON.parse(String(row.facts)) as UploadFacts;
  return {
    id: String(row.id),
    collectionUuid: String(row.collection_uuid),
    path: String(row.path),
    userUuid: String(row.user_uuid),
    createdAt: String(row.created_at),
    metadata,
    checksum,
  };
}
