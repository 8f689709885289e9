import { isKeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import { createUuid, INFIX } from '../records/ids.ts';
import { formatTime } from '../records/times.ts';
import { refuseDuplicates, updateStatement } from '../records/write-row.ts';
import { writeBackup } from './backup.ts';
import type { ManifestBucket } from './manifest-store.ts';
import { growthStatements, type Quota, quotasOf, requireRoom } from './quota.ts';
import { keepStatements, keepsVersion, type PastVersion, type VersionKind, type VersionSettings } from './versions.ts';

export interface ChangeContext {
  db: D1Database;
  manifests: ManifestBucket;
  /** Unix milliseconds. */
  now: () => number;
  versions: VersionSettings;
}

/** What goes with a change of a row. */
export interface Alongside {
  /**
   * Run in the same transaction, before the row; they must have an effect only while it is at the revision before. After
   * the row, a later revision could be that of another commit, which came first.
   */
  statements?: D1PreparedStatement[];
  /** The state before is kept as a past version whatever the settings say. */
  keep?: VersionKind;
  /** The quotas above the collection where it is, if they were read with its row. */
  quotas?: readonly Quota[] | undefined;
}

/** What of a collection's row `changeRow` wants: all columns, and no others. */
export const WHOLE_ROW = 'collections.*';

/**
 * Commits one revision: the backup first, then the row, only if it is still at the revision that was read. False when it
 * is not. The state before it becomes a past version where that is wanted.
 * @param before the row as it was read, all of it
 * @throws KeepError invalid_record when a name is taken; full when a quota is reached
 */
export async function changeRow(
  { db, manifests, now, versions }: ChangeContext,
  before: Row,
  columns: Row,
  { statements = [], keep, quotas }: Alongside = {},
): Promise<boolean> {
  const uuid = String(before.uuid);
  const revision = Number(before.revision);
  const growth = await growthOf(db, before, columns, quotas);
  const past = pastVersionOf(before, columns, keep, versions, now());
  const changed = { ...columns, ...versionColumns(before, columns, past), revision: revision + 1 };
  const backups = await Promise.all([
    writeBackup(manifests, { ...before, ...changed }, formatTime(now())),
    // The backup that is there ends soon; this one stays with the version, and says what it is.
    ...(past === null ? [] : [writeBackup(manifests, before, String(before.modified_at), past)]),
  ]);
  const keeping = past === null ? [] : keepStatements(db, uuid, revision, past);
  const statement = updateStatement(db, 'collections', uuid, changed, { sql: 'revision = ?', values: [revision] });
  try {
    const results = await refuseDuplicates(() => db.batch([...keeping, ...statements, ...growth, statement]));
    if ((results.at(-1)?.meta.changes ?? 0) > 0) return true;
  } catch (error) {
    if (isRefused(error)) await manifests.delete(backups);
    // Whether it was done is not known: the row tells.
    else if (!isKeepError(error) && (await isCommitted(db, uuid, changed))) return true;
    // It may be done yet: the sweep takes a backup that no row came to, with its text.
    throw error;
  }
  await manifests.delete(backups);
  return false;
}

/** Whether a change was certainly not made, so that what was stored for it can go. */
export function isRefused(error: unknown): boolean {
  return isKeepError(error) && error.code !== 'unavailable';
}

/** Statements that count what a change adds to quotas. @throws KeepError full */
async function growthOf(
  db: D1Database,
  before: Row,
  columns: Row,
  known: readonly Quota[] | undefined,
): Promise<D1PreparedStatement[]> {
  const owner = String(columns.owner_uuid ?? before.owner_uuid);
  const isMoved = owner !== before.owner_uuid;
  const size = Number(columns.file_size_total ?? before.file_size_total);
  const bytes = size - (isMoved ? 0 : Number(before.file_size_total));
  if (bytes <= 0) return [];
  const quotas = isMoved || known === undefined ? await quotasOf(db, owner) : known;
  requireRoom(quotas, bytes);
  return growthStatements(db, quotas, bytes, String(before.uuid), Number(before.revision));
}

function pastVersionOf(
  before: Row,
  columns: Row,
  keep: VersionKind | undefined,
  settings: VersionSettings,
  now: number,
): PastVersion | null {
  const kind = keep ?? (keepsVersion(before, columns, settings, now) ? 'kept' : null);
  if (kind === null) return null;
  const uuid = createUuid(String(before.uuid).slice(0, 5), INFIX.collection);
  return { uuid, kind, version: Number(before.version), superseded_at: formatTime(now) };
}

/** Once it is set, `preserve_version` stays until the next version. */
function versionColumns(before: Row, { preserve_version }: Row, past: PastVersion | null): Row {
  if (past === null)
    return { preserve_version: Math.max(Number(before.preserve_version), Number(preserve_version ?? 0)) };
  return { preserve_version: preserve_version ?? 0, version: past.version + 1 };
}

async function isCommitted(
  db: D1Database,
  uuid: string,
  { revision, modified_at, modified_by_user_uuid }: Row,
): Promise<boolean> {
  const found = await db
    .prepare(
      'SELECT 1 FROM collections WHERE uuid = ? AND revision = ? AND modified_at = ? AND modified_by_user_uuid = ?',
    )
    .bind(uuid, revision, modified_at, modified_by_user_uuid)
    .first();
  return found !== null;
}
