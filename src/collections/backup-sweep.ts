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
  const { objects, truncated } = await manifests.list({ prefix: `${BACKUP_PREFIX}${uuid}/`, limit: PAGE });
  const newest = objects.at(-1);
  if (newest === undefined) return null;
  const row = await db
    .prepare('SELECT manifest_key, revision FROM collections WHERE uuid = ?')
    .bind(uuid)
    .first<{ manifest_key: string | null; revision: number }>();
  const read = headerReader(manifests);
  const texts = new Set<string>();
  const keys: string[] = [];
  let next = Number.POSITIVE_INFINITY;
  for (const object of objects) {
    const revision = revisionOf(object.key);
    const uploaded = object.uploaded.getTime();
    const successors = successorsOf(object, objects);
    // What took its place is on the next page, at least in part.
    if (truncated && (successors.length === 0 || successors.includes(newest))) break;
    if (row !== null && revision === row.revision) continue;
    let until = Math.max(uploaded, ...successors.map((other) => other.uploaded.getTime())) + supersededSeconds * 1000;
    if (row === null && object === newest)
      until = deletionOf((await read(object.key))?.deleteAt, uploaded) + deletedSeconds * 1000;
    else if (row !== null && revision > row.revision) until = uploaded + GRACE_MS;
    if (until > now()) {
      next = Math.min(next, until);
      continue;
    }
    const text = (await read(object.key))?.text ?? null;
    // A change of attributes leaves the text to the next revision.
    if (text !== null && text !== row?.manifest_key && !(await isNamedBy(successors, text, read))) texts.add(text);
    keys.push(object.key);
  }
  if (texts.size > 0) await manifests.delete([...texts]);
  if (keys.length > 0) await manifests.delete(keys);
  if (truncated && keys.length > 0) return now();
  return Number.isFinite(next) ? next : null;
}

/** The backups of the next revision: what took an object's place, and attempts at it. Objects are in the order of revisions. */
function successorsOf(object: R2Object, objects: readonly R2Object[]): R2Object[] {
  const revision = revisionOf(object.key);
  const first = objects.findIndex(({ key }) => revisionOf(key) > revision);
  const found = objects[first];
  return found === undefined ? [] : objects.filter(({ key }) => revisionOf(key) === revisionOf(found.key));
}

interface Read {
  /** Key of a text in the bucket. */
  text: string | null;
  deleteAt: unknown;
}

type ReadHeader = (key: string) => Promise<Read | null>;

/** Reads each backup once, and keeps little of it. */
function headerReader(manifests: R2Bucket): ReadHeader {
  const known = new Map<string, Read | null>();
  return async (key) => {
    let found = known.get(key);
    if (found === undefined) {
      const header = (await readBackup(manifests, key))?.header;
      found = header === undefined ? null : { text: header.manifest_key, deleteAt: header.record.delete_at };
      known.set(key, found);
    }
    return found;
  };
}

async function isNamedBy(backups: readonly R2Object[], text: string, read: ReadHeader): Promise<boolean> {
  for (const { key } of backups) if ((await read(key))?.text === text) return true;
  return false;
}

function deletionOf(deleteAt: unknown, uploaded: number): number {
  const time = typeof deleteAt === 'string' ? Date.parse(deleteAt) : Number.NaN;
  return Number.isNaN(time) ? uploaded : time;
}
