import type { Commits } from '../collections/commits.ts';
import type { NamedSource, NamedText } from './collect.ts';
import { rootOwners } from './collections-source.ts';

export interface UploadsSourceOptions {
  db: D1Database;
  commits: Pick<Commits, 'storedParts'>;
  batch: number;
  defaultReplication: number;
}

interface Row {
  id: string;
  collection_uuid: string;
  owner_uuid: string;
  replication_desired: number | null;
  storage_classes_desired: string;
}

const MAX_PAGE_ROWS = 500;
/** A part has up to 80 blocks. */
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
      const owners = await rootOwners(db, [...new Set(results.map(({ owner_uuid }) => owner_uuid))]);
      const texts = results.map(
        (row): NamedText => ({
          uuid: row.collection_uuid,
          project: row.owner_uuid,
          owner: owners.get(row.owner_uuid) ?? row.owner_uuid,
          copies: row.replication_desired || defaultReplication,
          classes: JSON.parse(row.storage_classes_desired) as string[],
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
    if (parts.length < PARTS_AT_ONCE) return;
  }
}
