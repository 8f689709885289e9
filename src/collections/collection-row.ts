import { canManage, canWrite, type Level, toLevel } from '../accounts/levels.ts';
import { type Row, type Table, toRecord } from '../records/columns.ts';
import { selectColumns } from '../records/list-parameters.ts';
import type { StoredManifest } from './manifest-store.ts';
import type { StagedManifest } from './stage-manifest.ts';
import { COLLECTIONS } from './tables.ts';

/** A collection's record and where its manifest is stored. */
export interface Collection {
  record: Row;
  /** Null: the text is in the row but was not read. */
  stored: StoredManifest | null;
  /** Length of the text. */
  manifestBytes: number;
  /** Grows with every change. */
  revision: number;
  /** Of the user for whom it was read. */
  level: Level;
  /** Whether files have metadata beside the manifest (file_metadata). */
  hasMetadata: boolean;
  /** Whether it is a past version, which nothing changes. */
  isPast: boolean;
}

/** Columns to read; a text in the row only with `withText`. @param select attributes, if not all */
export function columnsToRead(withText: boolean, table: Table = COLLECTIONS, select?: readonly string[]): string {
  return [
    // The row is nothing without these.
    ...selectColumns(table, select && ['uuid', 'current_version_uuid', ...select]),
    'manifest_key',
    'manifest_bytes',
    'revision',
    ...(withText ? ['manifest_inline'] : []),
  ].join(', ');
}

/** Columns that are derived from a manifest. */
export function manifestColumns(staged: StagedManifest): Row {
  const { stored, bytes, portableDataHash, fileCount, fileSizeTotal, fileNames } = staged;
  return {
    portable_data_hash: portableDataHash,
    manifest_inline: stored.inline,
    manifest_key: stored.key,
    manifest_bytes: bytes,
    file_count: fileCount,
    file_size_total: fileSizeTotal,
    file_names: fileNames,
  };
}

export function toCollection({
  manifest_inline,
  manifest_key,
  manifest_bytes,
  revision,
  permission_level,
  has_metadata,
  ...row
}: Row): Collection {
  const level = toLevel(permission_level);
  const record = { kind: COLLECTIONS.kind, etag: `${revision}`, ...toRecord(COLLECTIONS, row) };
  const inline = typeof manifest_inline === 'string' ? { inline: manifest_inline, key: null } : null;
  const stored = typeof manifest_key === 'string' ? { inline: null, key: manifest_key } : inline;
  return {
    record: { ...record, name: row.name ?? '', can_write: canWrite(level), can_manage: canManage(level) },
    stored,
    manifestBytes: Number(manifest_bytes),
    revision: Number(revision),
    level,
    hasMetadata: has_metadata === 1,
    isPast: row.current_version_uuid !== row.uuid,
  };
}
