import type { Row } from '../records/columns.ts';
import { type ManifestBucket, readManifest } from './manifest-store.ts';
import { fileNamesOf } from './stage-manifest.ts';

const ROWS = 100;
/** In the place of names that cannot be read: the row is not looked at again. */
const UNREADABLE = ' ';

/** Gives collections from before there were `file_names` theirs, a hundred at a time, so that searches find them. */
export async function nameFiles(db: D1Database, manifests: ManifestBucket): Promise<void> {
  const { results } = await db
    .prepare(
      `SELECT uuid, revision, manifest_inline, manifest_key FROM collections INDEXED BY collections_unnamed
       WHERE file_names = '' AND file_count > 0 LIMIT ${ROWS}`,
    )
    .all<Row>();
  for (const { uuid, revision, manifest_inline, manifest_key } of results) {
    const stored =
      typeof manifest_key === 'string'
        ? { inline: null, key: manifest_key }
        : { inline: String(manifest_inline), key: null };
    const text = await readManifest(manifests, stored);
    const names = text === null ? '' : await fileNamesOf(text).catch(() => '');
    await db
      .prepare('UPDATE collections SET file_names = ? WHERE uuid = ? AND revision = ?')
      .bind(names === '' ? UNREADABLE : names, uuid, revision)
      .run();
  }
}
