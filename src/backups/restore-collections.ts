import { BACKUP_PREFIX, type BackupHeader, readBackup, revisionOf } from '../collections/backup.ts';
import type { Row } from '../records/columns.ts';
import type { FlushContext } from './account-log.ts';
import type { RestoreState } from './backup-state.ts';
import { readFileLog } from './file-log.ts';
import { columnsOf, insertRows } from './restore-rows.ts';

const PAGE = 500;
const AT_ONCE = 6;
/** Texts of one batch of rows. */
const BATCH_BYTES = 4 << 20;

/** The collections of one page of backups, each in its newest revision, with the metadata of its files. */
export async function restoreCollections(context: FlushContext, state: RestoreState): Promise<void> {
  const { db, manifests } = context;
  const page = await manifests.list({
    prefix: BACKUP_PREFIX,
    limit: PAGE,
    ...(state.cursor === '' ? {} : { startAfter: state.cursor }),
  });
  const byUuid = Map.groupBy(page.objects, ({ key }) => key.slice(BACKUP_PREFIX.length).split('/')[0] ?? '');
  const uuids = [...byUuid.keys()];
  // The last one may go on behind this page, unless it fills it.
  if (page.truncated && uuids.length > 1) uuids.pop();
  const columns = await columnsOf(db, 'collections');
  const found = await inTurns(uuids, (uuid) => newestOf(manifests, byUuid.get(uuid) ?? [], state));
  const rows = found.flatMap(({ row }) => (row === null ? [] : [row]));
  for (const batch of batches(rows)) {
    // A later page may hold a later revision of the same collection.
    const statements = insertRows(db, 'collections', columns, batch, {
      guard:
        "NOT EXISTS (SELECT 1 FROM collections WHERE uuid = value ->> '$.uuid' AND revision > value ->> '$.revision')",
      conflict: 'OR REPLACE',
    });
    await db.batch(statements);
  }
  const versions = found.flatMap(({ row, past }) => (row === null ? [] : past));
  const versionColumns = await columnsOf(db, 'collection_versions');
  for (const batch of batches(versions)) await db.batch(insertRows(db, 'collection_versions', versionColumns, batch));
  state.counts.collections = (state.counts.collections ?? 0) + rows.length;
  state.counts.versions = (state.counts.versions ?? 0) + versions.length;
  await inTurns([...rows, ...versions], (row) => restoreFiles(context, String(row.uuid), state));
  state.cursor = byUuid.get(uuids.at(-1) ?? '')?.at(-1)?.key ?? '';
  if (!page.truncated) Object.assign(state, { phase: 'accounts', cursor: '' });
}

interface Found {
  /** Null for a collection that was deleted. */
  row: Row | null;
  /** Rows of `collection_versions`. */
  past: Row[];
}

async function newestOf(manifests: R2Bucket, objects: R2Object[], state: RestoreState): Promise<Found> {
  const revision = Math.max(...objects.map(({ key }) => revisionOf(key)));
  let newest: { row: Row; at: string; revision: number } | null = null;
  const past = new Map<string, Row>();
  for (const { key } of objects) {
    const backup = await readBackup(manifests, key).catch((error: unknown) => {
      state.problems.push(`${key} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    });
    if (backup === null) continue;
    const { header, text } = backup;
    if (isCutShort(backup)) {
      state.problems.push(`${key} cannot be read: its text is cut short`);
      continue;
    }
    const row = { ...header.record, manifest_inline: header.manifest_key === null ? text : null };
    if (header.past) past.set(header.past.uuid, { ...row, ...header.past, current_version_uuid: header.uuid });
    // Of two attempts at a revision the later one was acknowledged: the first one's writer died.
    else if (newest === null || isLater(header, newest)) newest = { row, at: header.at, revision: header.revision };
  }
  if (newest === null) return { row: null, past: [] };
  const { row, at } = newest;
  if (newest.revision < revision)
    state.problems.push(`${row.uuid} is as it was at ${at}: its last revision cannot be read`);
  if (at > state.moment) state.moment = at;
  if (typeof row.delete_at === 'string' && Date.parse(row.delete_at) <= Date.now()) {
    state.counts.deleted = (state.counts.deleted ?? 0) + 1;
    return { row: null, past: [] };
  }
  for (const { manifest_key } of [row, ...past.values()])
    if (typeof manifest_key === 'string' && (await manifests.head(manifest_key)) === null)
      state.problems.push(`${row.uuid}: a text, ${manifest_key}, is not in the bucket`);
  return { row, past: [...past.values()] };
}

type Dated = Pick<BackupHeader, 'revision' | 'at'>;

function isLater(a: Dated, b: Dated): boolean {
  return a.revision > b.revision || (a.revision === b.revision && a.at >= b.at);
}

function isCutShort({ header, text }: { header: BackupHeader; text: string }): boolean {
  const { manifest_bytes: bytes } = header.record;
  return header.manifest_key === null && typeof bytes === 'number' && new TextEncoder().encode(text).length < bytes;
}

/** The metadata of a collection's files. */
export async function restoreFiles(
  { db, manifests }: FlushContext,
  uuid: string,
  state: Pick<RestoreState, 'moment' | 'counts' | 'problems'>,
): Promise<void> {
  const { files, at, unreadable } = await readFileLog(manifests, uuid);
  for (const key of unreadable) state.problems.push(`${key}, metadata of files, cannot be read`);
  if (at > state.moment) state.moment = at;
  const rows = [...files.values()].filter(({ metadata }) => metadata !== null);
  const columns = new Set(['collection_uuid', 'path', 'metadata']);
  for (let from = 0; from < rows.length; from += 500) {
    const batch = rows.slice(from, from + 500).map(({ path, metadata }) => ({ collection_uuid: uuid, path, metadata }));
    await db.batch(insertRows(db, 'file_metadata', columns, batch, { conflict: 'OR REPLACE' }));
  }
  state.counts.file_metadata = (state.counts.file_metadata ?? 0) + rows.length;
}

function* batches(rows: Row[]): Generator<Row[]> {
  let batch: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = String(row.manifest_inline ?? '').length + 2000;
    if (batch.length > 0 && bytes + size > BATCH_BYTES) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(row);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

async function inTurns<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE)
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(work))));
  return results;
}
