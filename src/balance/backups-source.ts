import { BACKUP_PREFIX, readBackup, revisionOf } from '../collections/backup.ts';
import { checkedManifest } from '../collections/checked-manifest.ts';
import { readManifest } from '../collections/manifest-store.ts';
import type { NamedSource, NamedText } from './collect.ts';
import { rootOwners } from './collections-source.ts';

export interface BackupsSourceOptions {
  db: D1Database;
  manifests: R2Bucket;
  batch: number;
  defaultReplication: number;
}

const MAX_PAGE_ROWS = 500;
/** Backups with their texts that one page holds. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;

/**
 * Revisions that a backup can still restore: superseded ones, and those of deleted collections. What a collection holds
 * now comes from D1 and is left out here.
 */
export function backupsSource({ db, manifests, batch, defaultReplication }: BackupsSourceOptions): NamedSource {
  return {
    name: 'backups',
    async page(cursor) {
      const limit = Math.max(1, Math.min(batch, MAX_PAGE_ROWS));
      const listed = await manifests.list({
        prefix: BACKUP_PREFIX,
        limit,
        ...(cursor === '' ? {} : { startAfter: cursor }),
      });
      const objects = upToBytes(listed.objects);
      const uuidOf = (key: string) => key.slice(BACKUP_PREFIX.length).split('/')[0] ?? '';
      const current = await revisions(db, [...new Set(objects.map(({ key }) => uuidOf(key)))]);
      const past = objects.filter(({ key }) => current.get(uuidOf(key)) !== revisionOf(key));
      const texts: NamedText[] = [];
      for (const { key } of past) {
        const backup = await readBackup(manifests, key);
        if (backup === null) continue;
        const { record, manifest_key } = backup.header;
        texts.push({
          uuid: uuidOf(key),
          project: String(record.owner_uuid),
          owner: String(record.owner_uuid),
          copies: Number(record.replication_desired) || defaultReplication,
          classes: JSON.parse(String(record.storage_classes_desired ?? '["default"]')) as string[],
          bytes: null,
          open: async () => {
            if (manifest_key === null) return [new TextEncoder().encode(backup.text)];
            const text = await readManifest(manifests, { inline: null, key: manifest_key });
            // A text that was cut would leave its other blocks without a reference.
            const { portable_data_hash, manifest_bytes } = record;
            if (text !== null) return checkedManifest(text, String(portable_data_hash), Number(manifest_bytes));
            // Deleted with its backup meanwhile, or lost.
            if ((await manifests.head(key)) === null) return null;
            throw new Error(`${manifest_key}, which its backup names, is not in the bucket MANIFESTS`);
          },
        });
      }
      const owners = await rootOwners(
        db,
        texts.map(({ owner }) => owner),
      );
      for (const text of texts) text.owner = owners.get(text.owner) ?? text.owner;
      return {
        texts,
        cursor: objects.length < listed.objects.length || listed.truncated ? (objects.at(-1)?.key ?? null) : null,
      };
    },
  };
}

/** At least one, so that a page always gets ahead. */
function upToBytes(objects: R2Object[]): R2Object[] {
  let bytes = 0;
  const end = objects.findIndex(({ size }, i) => {
    bytes += size;
    return i > 0 && bytes > MAX_PAGE_BYTES;
  });
  return end < 0 ? objects : objects.slice(0, end);
}

async function revisions(db: D1Database, uuids: string[]): Promise<Map<string, number>> {
  const { results } = await db
    .prepare('SELECT uuid, revision FROM collections WHERE uuid IN (SELECT value FROM json_each(?))')
    .bind(JSON.stringify(uuids))
    .all<{ uuid: string; revision: number }>();
  return new Map(results.map(({ uuid, revision }) => [uuid, revision]));
}
