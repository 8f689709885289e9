import type { Row } from '../records/columns.ts';
import type { ManifestBucket } from './manifest-store.ts';
import type { PastVersion } from './versions.ts';

/**
 * Every committed revision of a collection is also an object in the bucket MANIFESTS, written before the commit is
 * acknowledged: a lost database loses no collection. The format is in docs/storage-schema.md#backups.
 */
export const BACKUP_PREFIX = 'backups/collections/';
/** Changes of the metadata of files: src/backups/file-log.ts. */
export const FILE_BACKUP_PREFIX = 'backups/files/';
const FORMAT = 1;
const REVISION_DIGITS = 12;
/** Hexadecimal ones of a time in milliseconds. */
const TIME_DIGITS = 12;

export interface BackupHeader {
  format: number;
  uuid: string;
  revision: number;
  /** RFC 3339: when it was committed. */
  at: string;
  /** Columns of the row, without the text. */
  record: Row;
  /** Of a past version: what its row in collection_versions says. Null for a state that was current. */
  past: PastVersion | null;
  /** Where the text is when it is too large for a row; else it follows the header's line. */
  manifest_key: string | null;
}

/** Keys sort by revision, and attempts at the same one by their time: of those the last counts. */
function backupKey(uuid: string, revision: number): string {
  const time = Date.now().toString(16).padStart(TIME_DIGITS, '0');
  const suffix = `${time}-${crypto.randomUUID().slice(0, 8)}`;
  return `${BACKUP_PREFIX}${uuid}/${String(revision).padStart(REVISION_DIGITS, '0')}-${suffix}`;
}

export function revisionOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1).split('-')[0]);
}

/** Writes one revision. @returns its key */
export async function writeBackup(
  bucket: ManifestBucket,
  { manifest_inline, ...record }: Row,
  at: string,
  past: PastVersion | null = null,
): Promise<string> {
  const uuid = String(record.uuid);
  const revision = Number(record.revision);
  const header: BackupHeader = {
    format: FORMAT,
    uuid,
    revision,
    at,
    record,
    past,
    manifest_key: typeof record.manifest_key === 'string' ? record.manifest_key : null,
  };
  const text = typeof manifest_inline === 'string' ? manifest_inline : '';
  const key = backupKey(uuid, revision);
  await bucket.put(key, new TextEncoder().encode(`${JSON.stringify(header)}\n${text}`));
  return key;
}

export async function hasBackup(bucket: R2Bucket, uuid: string): Promise<boolean> {
  return (await bucket.list({ prefix: `${BACKUP_PREFIX}${uuid}/`, limit: 1 })).objects.length > 0;
}

/** @throws Error when the object is not a backup of this format */
export async function readBackup(
  bucket: ManifestBucket,
  key: string,
): Promise<{ header: BackupHeader; text: string } | null> {
  const found = await bucket.get(key);
  if (found === null) return null;
  const content = await new Response(found.body).text();
  const end = content.indexOf('\n');
  const header = JSON.parse(content.slice(0, end)) as BackupHeader;
  if (header.format !== FORMAT) throw new Error(`${key} has format ${header.format}: it needs a newer version`);
  return { header, text: content.slice(end + 1) };
}

export async function deleteFileBackups(bucket: R2Bucket, uuid: string): Promise<void> {
  const prefix = `${FILE_BACKUP_PREFIX}${uuid}/`;
  for (let page = await bucket.list({ prefix }); page.objects.length > 0; page = await bucket.list({ prefix }))
    await bucket.delete(page.objects.map(({ key }) => key));
}

/** The key of a collection's last revision; of several attempts at it the last. */
export async function newestBackup(bucket: R2Bucket, uuid: string): Promise<string | null> {
  let newest: string | null = null;
  for (let after = ''; ; ) {
    const page = await bucket.list({
      prefix: `${BACKUP_PREFIX}${uuid}/`,
      ...(after === '' ? {} : { startAfter: after }),
    });
    newest = page.objects.at(-1)?.key ?? newest;
    after = page.objects.at(-1)?.key ?? '';
    if (!page.truncated || after === '') return newest;
  }
}
