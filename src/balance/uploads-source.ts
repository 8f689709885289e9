import type { Commits } from '../collections/commits.ts';
import type { NamedSource, NamedText } from './collect.ts';
import { type OwnedRow, rootOwners, wantedOf } from './collections-source.ts';

export interface UploadsSourceOptions {
  db: D1Database;
  commits: Pick<Commits, 'storedParts'>;
  batch: number;
  defaultReplication: number;
}

interface Row extends OwnedRow {
  id: string;
  collection_uuid: string;
}

const MAX_PAGE_ROWS = 500;
const PARTS_AT_ONCE = 500;

/**
 * Parts of uploads that are open. This source comes before that of collections: an upload that is completed meanwhile is
 * in one of them by then.
 */
export function uploadsSource({ db, commits, batch, defaultReplication }: UploadsSourceOptions): NamedSource {
  const limit = Math.max(1, Math.min(batch, MAX_PAGE_ROWS));
  return {
    name: 'uploads',
    async page(cursor) {
      const { results } = await db
        .prepare(
          `SELECT uploads.id, collection_uuid, owner_uuid, replication_desired, storage_classes_desired
           FROM multipart_uploads AS uploads JOIN collections ON collections.uuid = collection_uuid
           WHERE completed IS NULL AND uploads.id > ? ORDER BY uploads.id LIMIT ?`,
        )
        .bind(cursor, limit)
        .all<Row>();
      const owners = await rootOwners(
        db,
        results.map(({ owner_uuid }) => owner_uuid),
      );
      const texts = results.map(
        (row): NamedText => ({
          uuid: row.collection_uuid,
          ...wantedOf(row, owners, defaultReplication),
          bytes: null,
          open: () => Promise.resolve(partsText(commits, row.collection_uuid, row.id)),
        }),
      );
      return { texts, cursor: results.length < limit ? null : (results.at(-1)?.id ?? null) };
    },
  };
}

/** Parts as the lines of a manifest. */
async function* partsText(commits: UploadsSourceOptions['commits'], uuid: string, id: string) {
  const encoder = new TextEncoder();
  for (let after = 0; ; ) {
    const parts = await commits.storedParts(uuid, id, after, PARTS_AT_ONCE);
    for (const { number, size, ranges } of parts) {
      after = number;
      if (ranges.length > 0)
        yield encoder.encode(`. ${ranges.map(({ locator }) => locator).join(' ')} 0:${size}:${number}\n`);
    }
    if (parts.length === 0) return;
  }
}
