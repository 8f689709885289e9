import { checkedManifest } from '../collections/checked-manifest.ts';
import { readManifest, type StoredManifest } from '../collections/manifest-store.ts';
import type { NamedSource, NamedText } from './collect.ts';

/** Texts up to this length come with their page; larger ones are fetched one by one. Bytes. */
const INLINE_BYTES = 8192;
const MAX_PAGE_ROWS = 500;
/** How often a text is looked up again when it was replaced between its row and its bytes. */
const READ_ATTEMPTS = 4;

interface Row extends OwnedRow {
  uuid: string;
  manifest_bytes: number;
  text: string | null;
}

export interface CollectionsSourceOptions {
  db: D1Database;
  manifests: R2Bucket;
  /** Collections a page: BALANCE_COLLECTION_BATCH. */
  batch: number;
  /** Copies of a collection that does not say. */
  defaultReplication: number;
}

/** All collections on D1, trashed ones that are not yet deleted included, by UUID. */
export function collectionsSource(options: CollectionsSourceOptions): NamedSource {
  const { db, manifests, defaultReplication } = options;
  const limit = Math.max(1, Math.min(options.batch, MAX_PAGE_ROWS));
  return {
    name: 'collections',
    async page(cursor) {
      const { results } = await db
        .prepare(
          `SELECT uuid, owner_uuid, replication_desired, storage_classes_desired, manifest_bytes,
             CASE WHEN manifest_bytes <= ${INLINE_BYTES} THEN manifest_inline END AS text
           FROM collections WHERE uuid > ? ORDER BY uuid LIMIT ?`,
        )
        .bind(cursor, limit)
        .all<Row>();
      const owners = await rootOwners(
        db,
        results.map(({ owner_uuid }) => owner_uuid),
      );
      const texts = results.map(
        (row): NamedText => ({
          uuid: row.uuid,
          ...wantedOf(row, owners, defaultReplication),
          bytes: null,
          open: async () =>
            row.text === null ? await readText(db, manifests, row.uuid) : [new TextEncoder().encode(row.text)],
        }),
      );
      return { texts, cursor: results.length < limit ? null : (results.at(-1)?.uuid ?? null) };
    },
  };
}

/** The current text of a collection; null when the collection is gone. */
async function readText(db: D1Database, manifests: R2Bucket, uuid: string): Promise<ReadableStream<Uint8Array> | null> {
  for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
    const row = await db
      .prepare(
        `SELECT manifest_inline AS inline, manifest_key AS key, manifest_bytes AS bytes, portable_data_hash AS hash
         FROM collections WHERE uuid = ?`,
      )
      .bind(uuid)
      .first<StoredManifest & { bytes: number; hash: string }>();
    if (row === null) return null;
    const text = await readManifest(manifests, row);
    // A text that was cut would leave its other blocks without a reference.
    if (text !== null) return checkedManifest(text, row.hash, row.bytes);
  }
  throw new Error('its manifest is not in the bucket MANIFESTS');
}

export interface OwnedRow {
  owner_uuid: string;
  replication_desired: number | null;
  storage_classes_desired: string;
}

/** Whose the blocks of a collection are, and how many copies of them are wanted where. */
export function wantedOf(
  row: OwnedRow,
  owners: Map<string, string>,
  defaultReplication: number,
): Pick<NamedText, 'project' | 'owner' | 'copies' | 'classes'> {
  return {
    project: row.owner_uuid,
    owner: owners.get(row.owner_uuid) ?? row.owner_uuid,
    copies: row.replication_desired || defaultReplication,
    classes: JSON.parse(row.storage_classes_desired) as string[],
  };
}

/** The user at the root of each owner. */
export async function rootOwners(db: D1Database, owners: string[]): Promise<Map<string, string>> {
  const { results } = await db
    .prepare(
      `WITH RECURSIVE up(start, uuid) AS (
         SELECT value, value FROM json_each(?)
         UNION SELECT up.start, groups.owner_uuid FROM up JOIN groups ON groups.uuid = up.uuid)
       SELECT start, uuid FROM up WHERE uuid NOT IN (SELECT uuid FROM groups)`,
    )
    .bind(JSON.stringify([...new Set(owners)]))
    .all<{ start: string; uuid: string }>();
  return new Map(results.map(({ start, uuid }) => [start, uuid]));
}
