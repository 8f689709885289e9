import { FILE_BACKUP_PREFIX } from '../collections/backup.ts';
import type { Row } from '../records/columns.ts';
import { type FlushContext, FORMAT, idText, readJson } from './account-log.ts';

/** The metadata of one file after a change; null when it has none any more. */
export interface FileChange {
  id: number;
  path: string;
  metadata: string | null;
}

interface FileChanges {
  format: number;
  /** RFC 3339. */
  at: string;
  changes: FileChange[];
}

export const concernsFiles = (sql: string) => /\b(?:INTO|UPDATE|FROM)\s+(?:OR \w+ )?file_metadata\b/.test(sql);

export interface FileFlushContext extends FlushContext {
  /** Takes work that no answer waits for. */
  later: (work: Promise<unknown>) => void;
}

const FLUSH_ROWS = 500;
/** Objects of one collection from which on they are merged. */
const MERGE_FROM = 20;
const MERGED_ROWS = 2000;

type Pending = FileChange & { uuid: string; at: string };

/** What is not yet in the bucket, the first of it. */
export function pendingFiles(db: D1Database): D1PreparedStatement {
  return db.prepare(
    `SELECT id, changed.collection_uuid AS uuid, changed.path, metadata, strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS at
     FROM (SELECT * FROM file_changes ORDER BY id LIMIT ${FLUSH_ROWS}) AS changed
     LEFT JOIN file_metadata AS kept ON kept.collection_uuid = changed.collection_uuid AND kept.path = changed.path
     ORDER BY id`,
  );
}

/**
 * Writes what is not yet in the bucket, one object for each collection.
 * @param first what pendingFiles has found, if it was asked
 */
export async function flushFiles({ db, manifests, later }: FileFlushContext, first?: Row[]): Promise<void> {
  const pending = async () => (await pendingFiles(db).all<Row>()).results;
  for (let rows = first ?? (await pending()); rows.length > 0; rows = await pending()) {
    const changes = rows as unknown as Pending[];
    const { id, at } = changes.at(-1) as Pending;
    for (const [uuid, own] of Map.groupBy(changes, (change) => change.uuid))
      await write(
        manifests,
        uuid,
        at,
        own.map((change) => ({ id: change.id, path: change.path, metadata: change.metadata })),
      );
    const forgotten = db.prepare('DELETE FROM file_changes WHERE id <= ?').bind(id).run();
    // What is in the bucket is safe: rows that stay here are written once more with the next ones.
    if (rows.length < FLUSH_ROWS) return later(forgotten.catch(() => undefined));
    await forgotten;
  }
}

async function write(manifests: R2Bucket, uuid: string, at: string, changes: FileChange[]): Promise<void> {
  const last = Math.max(...changes.map(({ id }) => id));
  const content: FileChanges = { format: FORMAT, at, changes };
  const key = `${FILE_BACKUP_PREFIX}${uuid}/${idText(last)}-${crypto.randomUUID().slice(0, 8)}`;
  await manifests.put(key, JSON.stringify(content));
}

/**
 * The last state of the metadata of a collection's files, the objects that it is in, and those that cannot be read.
 * @throws Error when an object is of a later format
 */
export async function readFileLog(
  manifests: R2Bucket,
  uuid: string,
): Promise<{ keys: string[]; at: string; files: Map<string, FileChange>; unreadable: string[] }> {
  const files = new Map<string, FileChange>();
  const keys: string[] = [];
  const unreadable: string[] = [];
  let at = '';
  for (let cursor: string | undefined; ; ) {
    const page = await manifests.list({
      prefix: `${FILE_BACKUP_PREFIX}${uuid}/`,
      ...(cursor === undefined ? {} : { startAfter: cursor }),
    });
    for (const { key } of page.objects) {
      const content = await readJson<FileChanges>(manifests, key);
      if (content === 'unreadable') unreadable.push(key);
      if (content === 'unreadable' || content === null) continue;
      if (content.format !== FORMAT) throw new Error(`${key} has format ${content.format}: it needs a newer version`);
      keys.push(key);
      if (content.at > at) at = content.at;
      for (const change of content.changes)
        if ((files.get(change.path)?.id ?? -1) <= change.id) files.set(change.path, change);
    }
    cursor = page.objects.at(-1)?.key;
    if (!page.truncated || cursor === undefined) return { keys, at, files, unreadable };
  }
}

/** Many small objects of one collection become few. */
export async function mergeFileLog(manifests: R2Bucket, uuid: string): Promise<void> {
  const prefix = `${FILE_BACKUP_PREFIX}${uuid}/`;
  if ((await manifests.list({ prefix, limit: MERGE_FROM })).objects.length < MERGE_FROM) return;
  const { keys, at, files } = await readFileLog(manifests, uuid);
  const changes = [...files.values()];
  if (changes.length / MERGED_ROWS > keys.length / 2) return;
  for (let from = 0; from < changes.length; from += MERGED_ROWS)
    await write(manifests, uuid, at, changes.slice(from, from + MERGED_ROWS));
  for (let from = 0; from < keys.length; from += 1000) await manifests.delete(keys.slice(from, from + 1000));
}
