import { BACKUP_PREFIX, readBackup, revisionOf } from './backup.ts';

export interface BackupSweepContext {
  db: D1Database;
  manifests: R2Bucket;
  /** How long a revision can be restored after a newer one took its place. */
  supersededSeconds: number;
  /** How long a collection can be restored after it was deleted. */
  deletedSeconds: number;
  /** Unix milliseconds. */
  now: () => number;
}

/** Objects looked at in one call; what is left is looked at in the next. */
const PAGE = 500;
/** A revision above the row's is a commit under way, or one that failed: it is left alone this long. */
const GRACE_MS = 3_600_000;

/**
 * Deletes backups of one collection that are no longer needed, with the texts that only they name. Returns when to come
 * again (Unix milliseconds), or null when nothing will be left to do without another commit.
 */
export async function sweepBackups(uuid: string, context: BackupSweepContext): Promise<number | null> {
  const { db, manifests, supersededSeconds, deletedSeconds, now } = context;
  const { objects } = await manifests.list({ prefix: `${BACKUP_PREFIX}${uuid}/`, limit: PAGE });
  const newest = objects.at(-1);
  if (newest === undefined) return null;
  const row = await db
    .prepare('SELECT manifest_key, revision FROM collections WHERE uuid = ?')
    .bind(uuid)
    .first<{ manifest_key: string | null; revision: number }>();
  const last = await readBackup(manifests, newest.key);
  const texts = new Set([row === null ? (last?.header.manifest_key ?? null) : row.manifest_key]);
  let next = Number.POSITIVE_INFINITY;
  for (const object of objects) {
    const revision = revisionOf(object.key);
    const uploaded = object.uploaded.getTime();
    let until = uploaded + supersededSeconds * 1000;
    if (row === null && object === newest)
      until = deletionOf(last?.header.record.delete_at, uploaded) + deletedSeconds * 1000;
    else if (row !== null && revision === row.revision) continue;
    else if (row !== null && revision > row.revision) until = uploaded + GRACE_MS;
    if (until > now()) {
      next = Math.min(next, until);
      continue;
    }
    const backup = object === newest ? last : await readBackup(manifests, object.key);
    const text = backup?.header.manifest_key ?? null;
    if (text !== null && (row === null ? object === newest || !texts.has(text) : !texts.has(text)))
      await manifests.delete(text);
    await manifests.delete(object.key);
  }
  return Number.isFinite(next) ? next : null;
}

function deletionOf(deleteAt: unknown, uploaded: number): number {
  const time = typeof deleteAt === 'string' ? Date.parse(deleteAt) : Number.NaN;
  return Number.isNaN(time) ? uploaded : time;
}
