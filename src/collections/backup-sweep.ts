import { BACKUP_PREFIX, deleteFileBackups, newestBackup, readBackup, revisionOf } from './backup.ts';

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

/** Objects looked at together. */
const PAGE = 500;
/** Objects deleted in one call; what is left is deleted in the next. */
const DELETED_AT_ONCE = 1000;
/** A revision above the row's is a commit under way, or one that failed: it is left alone this long. */
const GRACE_MS = 3_600_000;

/**
 * Deletes backups of one collection that are no longer needed, with the texts that only they name. Returns when to come
 * again (Unix milliseconds), or null when nothing will be left to do without another commit.
 */
export async function sweepBackups(uuid: string, context: BackupSweepContext): Promise<number | null> {
  if (await isLost(uuid, context)) return null;
  let next = Number.POSITIVE_INFINITY;
  let deleted = 0;
  for (let after: string | null = ''; after !== null; ) {
    const page = await sweepPage(uuid, after, context);
    next = Math.min(next, page.next);
    deleted += page.deleted;
    if (page.after !== null && deleted >= DELETED_AT_ONCE) return context.now();
    after = page.after;
  }
  return Number.isFinite(next) ? next : null;
}

/** Nothing deletes a row without a time for it: where that is missing the database was lost, and this is what it is restored from. */
async function isLost(uuid: string, { db, manifests }: BackupSweepContext): Promise<boolean> {
  if ((await db.prepare('SELECT 1 FROM collections WHERE uuid = ?').bind(uuid).first()) !== null) return false;
  const newest = await newestBackup(manifests, uuid);
  return newest !== null && deletionOf((await readBackup(manifests, newest))?.header.record.delete_at) === null;
}

interface Swept {
  deleted: number;
  /** When the first of what stays can go; infinite when it stays for other reasons than its age. */
  next: number;
  /** The key to go on after; null at the end. */
  after: string | null;
}

async function sweepPage(uuid: string, after: string, context: BackupSweepContext): Promise<Swept> {
  const { db, manifests, supersededSeconds, deletedSeconds, now } = context;
  const prefix = `${BACKUP_PREFIX}${uuid}/`;
  const { objects, truncated } = await manifests.list({
    prefix,
    limit: PAGE,
    ...(after === '' ? {} : { startAfter: after }),
  });
  const newest = objects.at(-1);
  if (newest === undefined) return { deleted: 0, next: Number.POSITIVE_INFINITY, after: null };
  const row = await db
    .prepare('SELECT manifest_key, revision FROM collections WHERE uuid = ?')
    .bind(uuid)
    .first<{ manifest_key: string | null; revision: number }>();
  const versions = await versionsBetween(db, uuid, objects);
  const read = headerReader(manifests);
  const texts = new Set<string>();
  const pastUuids: string[] = [];
  const keys: string[] = [];
  let next = Number.POSITIVE_INFINITY;
  let last: string | null = null;
  for (const object of objects) {
    const revision = revisionOf(object.key);
    const uploaded = object.uploaded.getTime();
    const successors = successorsOf(object, objects);
    // What took its place is on the next page, at least in part.
    if (truncated && (successors.length === 0 || successors.includes(newest))) break;
    last = object.key;
    if ((row !== null && revision === row.revision) || versions.has(revision)) continue;
    let until = Math.max(uploaded, ...successors.map((other) => other.uploaded.getTime())) + supersededSeconds * 1000;
    if (row === null && object === newest)
      until = (deletionOf((await read(object.key))?.deleteAt) ?? uploaded) + deletedSeconds * 1000;
    else if (row !== null && revision > row.revision) until = uploaded + GRACE_MS;
    if (until > now()) {
      next = Math.min(next, until);
      continue;
    }
    const { text = null, past = null } = (await read(object.key)) ?? {};
    if (past !== null) pastUuids.push(past);
    // A change of attributes leaves the text to the next revision.
    if (text !== null && text !== row?.manifest_key && !(await isNamedBy(successors, text, read))) texts.add(text);
    keys.push(object.key);
  }
  for (const text of await namedByVersions(db, uuid, [...texts])) texts.delete(text);
  if (texts.size > 0) await manifests.delete([...texts]);
  for (const past of pastUuids) await deleteFileBackups(manifests, past);
  if (keys.length > 0) await manifests.delete(keys);
  if (row === null && !truncated && keys.at(-1) === newest.key) await deleteFileBackups(manifests, uuid);
  return { deleted: keys.length, next, after: truncated ? last : null };
}

/** Revisions of these backups that past versions still are. */
async function versionsBetween(db: D1Database, uuid: string, objects: readonly R2Object[]): Promise<Set<number>> {
  const [first, last] = [objects[0], objects.at(-1)];
  const { results } = await db
    .prepare('SELECT revision FROM collection_versions WHERE current_version_uuid = ? AND revision BETWEEN ? AND ?')
    .bind(uuid, revisionOf(first?.key ?? ''), revisionOf(last?.key ?? ''))
    .all<{ revision: number }>();
  return new Set(results.map(({ revision }) => revision));
}

/** Those of these texts that a past version is made of: changes of attributes leave several with the same. */
async function namedByVersions(db: D1Database, uuid: string, texts: string[]): Promise<string[]> {
  if (texts.length === 0) return [];
  const { results } = await db
    .prepare(
      'SELECT DISTINCT manifest_key AS text FROM collection_versions WHERE current_version_uuid = ? AND manifest_key IN (SELECT value FROM json_each(?))',
    )
    .bind(uuid, JSON.stringify(texts))
    .all<{ text: string }>();
  return results.map(({ text }) => text);
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
  /** UUID of the past version that this is. */
  past: string | null;
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
      found =
        header === undefined
          ? null
          : { text: header.manifest_key, past: header.past?.uuid ?? null, deleteAt: header.record.delete_at };
      known.set(key, found);
    }
    return found;
  };
}

async function isNamedBy(backups: readonly R2Object[], text: string, read: ReadHeader): Promise<boolean> {
  for (const { key } of backups) if ((await read(key))?.text === text) return true;
  return false;
}

function deletionOf(deleteAt: unknown): number | null {
  const time = typeof deleteAt === 'string' ? Date.parse(deleteAt) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}
