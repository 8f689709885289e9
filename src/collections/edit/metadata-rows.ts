import type { Edit, FileMetadata, NodeKind } from './edits.ts';

/** Bytes of one file's metadata as JSON: what S3 allows, and a little more. */
export const MAX_METADATA_BYTES = 4096;

/**
 * Statements that bring the metadata of files in step with edits. Each has an effect only while the collection is at
 * `revision`, so that they may follow the update of the collection's row in one batch.
 */
export function metadataStatements(
  db: D1Database,
  uuid: string,
  revision: number,
  edits: readonly Edit[],
  kindOf: (path: string) => NodeKind,
): D1PreparedStatement[] {
  const isCurrent = 'EXISTS (SELECT 1 FROM collections WHERE uuid = ?1 AND revision = ?2)';
  const statement = (sql: string, ...values: (string | number)[]) => db.prepare(sql).bind(uuid, revision, ...values);
  const isBelow = "collection_uuid = ?1 AND (path = ?3 OR (path > ?3 || '/' AND path < ?3 || '0'))";
  const copies = edits.flatMap((edit) =>
    (edit.kind === 'copy' || edit.kind === 'move') && edit.from !== edit.to ? [edit] : [],
  );
  // Copies are made aside first: their sources may be among what is removed.
  const aside = (index: number) => `\u0000${index}/`;
  const gone = edits.flatMap((edit) => {
    if (edit.kind === 'mkdir') return [];
    return edit.kind === 'move' ? [edit.from, edit.to] : ['to' in edit ? edit.to : edit.path];
  });
  return [
    ...copies.map(({ from }, i) =>
      statement(
        `INSERT OR REPLACE INTO file_metadata
         SELECT collection_uuid, ?4 || substr(path, length(?3) + 1), metadata FROM file_metadata
         WHERE ${from === '' ? 'collection_uuid = ?1 AND path > ?3' : isBelow} AND ${isCurrent}`,
        from,
        aside(i),
      ),
    ),
    statement(
      `DELETE FROM file_metadata WHERE collection_uuid = ?1 AND ${isCurrent} AND path IN (
         SELECT file_metadata.path FROM json_each(?3) AS gone CROSS JOIN file_metadata
         WHERE collection_uuid = ?1 AND (gone.value = '' OR path = gone.value OR (path > gone.value || '/' AND path < gone.value || '0')))
         AND substr(path, 1, 1) <> char(0)`,
      JSON.stringify(gone.filter((path) => kindOf(path) !== 'absent')),
    ),
    ...copies.map(({ to }, i) =>
      statement(
        `UPDATE OR REPLACE file_metadata SET path = ltrim(?3 || substr(path, length(?4) + 1), '/')
         WHERE collection_uuid = ?1 AND path >= ?4 AND path < ?5 AND ${isCurrent}`,
        to,
        aside(i),
        `${aside(i).slice(0, -1)}0`,
      ),
    ),
    ...edits.flatMap((edit) =>
      edit.kind === 'put' && edit.metadata !== undefined
        ? [
            statement(
              `INSERT OR REPLACE INTO file_metadata SELECT ?1, ?3, ?4 WHERE ${isCurrent}`,
              edit.path,
              JSON.stringify(edit.metadata),
            ),
          ]
        : [],
    ),
  ];
}

/** Whether edits bring metadata, or there is some to keep in step. */
export async function concernsMetadata(db: D1Database, uuid: string, edits: readonly Edit[]): Promise<boolean> {
  if (edits.some((edit) => edit.kind === 'put' && edit.metadata !== undefined)) return true;
  return (
    (await db.prepare('SELECT 1 FROM file_metadata WHERE collection_uuid = ? LIMIT 1').bind(uuid).first()) !== null
  );
}

/** Metadata of the files named. */
export async function readMetadata(db: D1Database, uuid: string, paths: string[]): Promise<Map<string, FileMetadata>> {
  const { results } = await db
    .prepare(
      'SELECT path, metadata FROM file_metadata WHERE collection_uuid = ? AND path IN (SELECT value FROM json_each(?))',
    )
    .bind(uuid, JSON.stringify(paths))
    .all<{ path: string; metadata: string }>();
  return new Map(results.map(({ path, metadata }) => [path, JSON.parse(metadata) as FileMetadata]));
}
