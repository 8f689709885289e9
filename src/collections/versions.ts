import type { Row } from '../records/columns.ts';
import { deleteRows } from '../records/delete-rows.ts';
import type { Condition } from '../records/filters.ts';
import { formatTime } from '../records/times.ts';
import { deleteMetadata } from './edit/metadata-rows.ts';
import { VERSION_COLUMNS } from './version-states.ts';

/** kept: asked for. repacked: the same content in other blocks, so that its portable data hash still opens something. */
export type VersionKind = 'kept' | 'repacked';

export interface VersionSettings {
  /** COLLECTION_VERSIONING: changes keep the state before them, unless it is too young. */
  automatic: boolean;
  /** PRESERVE_VERSION_IF_IDLE: younger states are kept only where `preserve_version` asks for it; negative: never. */
  idleSeconds: number;
  /** How long each kind stays after it was superseded; 0: as long as the collection. */
  maxAgeSeconds: Record<VersionKind, number>;
}

/** A state that a commit keeps. */
export interface PastVersion {
  /** A UUID of its own. */
  uuid: string;
  kind: VersionKind;
  version: number;
  /** RFC 3339. */
  superseded_at: string;
}

/** Changes of other attributes belong to all versions. */
const VERSIONED = ['portable_data_hash', 'name', 'description', 'properties'] as const;

/** Whether a change keeps the state before it, as the Arvados API decides it. @param now Unix milliseconds */
export function keepsVersion(before: Row, columns: Row, settings: VersionSettings, now: number): boolean {
  if (!VERSIONED.some((name) => columns[name] !== undefined && columns[name] !== before[name])) return false;
  if (typeof before.trash_at === 'string' && before.trash_at <= formatTime(now)) return false;
  if (before.preserve_version === 1 || columns.preserve_version === 1) return true;
  const { automatic, idleSeconds } = settings;
  if (!automatic || idleSeconds < 0) return false;
  return Date.parse(String(before.modified_at)) <= now - idleSeconds * 1000;
}

/** Files with metadata that a version keeps along with its content; of more of them it keeps the content alone. */
const MAX_METADATA_ROWS = 20_000;
/** Statements that keep the state at a revision; to run before the one that changes it, in the same transaction. */
export function keepStatements(
  db: D1Database,
  uuid: string,
  revision: number,
  { uuid: versionUuid, kind, superseded_at }: PastVersion,
): D1PreparedStatement[] {
  const isThere = 'EXISTS (SELECT 1 FROM collections WHERE uuid = ?2 AND revision = ?3)';
  return [
    db
      .prepare(
        `INSERT INTO collection_versions (uuid, current_version_uuid, kind, superseded_at, ${VERSION_COLUMNS.join(', ')})
         SELECT ?1, uuid, ?4, ?5, ${VERSION_COLUMNS.join(', ')} FROM collections WHERE uuid = ?2 AND revision = ?3`,
      )
      .bind(versionUuid, uuid, revision, kind, superseded_at),
    db
      .prepare(
        `INSERT INTO file_metadata SELECT ?1, path, metadata FROM file_metadata WHERE collection_uuid = ?2 AND ${isThere}
         AND (SELECT count(*) FROM (SELECT 1 FROM file_metadata WHERE collection_uuid = ?2 LIMIT ${MAX_METADATA_ROWS + 1})) <= ${MAX_METADATA_ROWS}`,
      )
      .bind(versionUuid, uuid, revision),
  ];
}

/** Statements that give the files of a collection, while it is at `revision`, the metadata that they had in a version. */
export function restoreMetadataStatements(
  db: D1Database,
  uuid: string,
  revision: number,
  versionUuid: string,
): D1PreparedStatement[] {
  const isCurrent = 'EXISTS (SELECT 1 FROM collections WHERE uuid = ?1 AND revision = ?2)';
  return [
    db.prepare(`DELETE FROM file_metadata WHERE collection_uuid = ?1 AND ${isCurrent}`).bind(uuid, revision),
    db
      .prepare(
        `INSERT INTO file_metadata SELECT ?1, path, metadata FROM file_metadata WHERE collection_uuid = ?3 AND ${isCurrent}`,
      )
      .bind(uuid, revision, versionUuid),
  ];
}

/** Versions that one run deletes: each collection among them costs a request to its Durable Object as well. */
const SWEEP_STATEMENTS = 1;

/**
 * Deletes versions whose time has passed.
 * @returns UUIDs of their collections: backups are for their Durable Objects to delete
 */
export async function sweepVersions(
  db: D1Database,
  maxAgeSeconds: VersionSettings['maxAgeSeconds'],
  now: number,
): Promise<string[]> {
  const collections = new Set<string>();
  for (const [kind, seconds] of Object.entries(maxAgeSeconds)) {
    if (seconds === 0) continue;
    const due = { sql: 'kind = ? AND superseded_at < ?', values: [kind, formatTime(now - seconds * 1000)] };
    await deleteVersions(db, due, SWEEP_STATEMENTS, (uuid) => collections.add(uuid));
  }
  return [...collections];
}

/** Batches of 500 versions that go in one run together with their collections. */
const DELETE_STATEMENTS = 20;

/** Deletes the versions of collections that are about to be deleted. @returns whether all are gone */
export async function deleteVersionsOf(db: D1Database, uuids: Condition): Promise<boolean> {
  const deleted = await deleteVersions(
    db,
    { sql: `current_version_uuid IN (${uuids.sql})`, values: uuids.values },
    DELETE_STATEMENTS,
  );
  return deleted < DELETE_STATEMENTS * 500;
}

function deleteVersions(
  db: D1Database,
  condition: Condition,
  statements: number,
  onCollection: (uuid: string) => void = () => {},
): Promise<number> {
  return deleteRows(db, 'collection_versions', condition, {
    returning: 'uuid, current_version_uuid',
    statements,
    onBatch: async (rows) => {
      for (const row of rows) onCollection(String(row.current_version_uuid));
      await deleteMetadata(
        db,
        rows.map((row) => String(row.uuid)),
      );
    },
  });
}

/** Whether a UUID is that of a past version, whatever the user may read. */
export async function isPastVersion(db: D1Database, uuid: string): Promise<boolean> {
  return (await db.prepare('SELECT 1 FROM collection_versions WHERE uuid = ?').bind(uuid).first()) !== null;
}
