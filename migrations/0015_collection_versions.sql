-- Past versions of collections. Owner, trash times and wanted copies are those of the current one. A text that is too large for a
-- row belongs to the backup of its revision, which stays as long as this row.
CREATE TABLE collection_versions (
  uuid TEXT PRIMARY KEY,
  current_version_uuid TEXT NOT NULL,
  version INTEGER NOT NULL,
  -- Of the collection, when this was its state.
  revision INTEGER NOT NULL,
  -- kept: asked for by preserve_version or COLLECTION_VERSIONING. repacked: the same content in other blocks.
  kind TEXT NOT NULL,
  superseded_at TEXT NOT NULL,
  name TEXT,
  description TEXT NOT NULL,
  properties TEXT NOT NULL,
  portable_data_hash TEXT NOT NULL,
  manifest_inline TEXT,
  manifest_key TEXT,
  manifest_bytes INTEGER NOT NULL,
  file_count INTEGER NOT NULL,
  file_size_total INTEGER NOT NULL,
  file_names TEXT NOT NULL,
  preserve_version INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  modified_at TEXT NOT NULL,
  modified_by_user_uuid TEXT NOT NULL,
  CHECK ((manifest_inline IS NULL) <> (manifest_key IS NULL))
) STRICT;
CREATE INDEX collection_versions_of ON collection_versions (current_version_uuid, revision);
CREATE INDEX collection_versions_pdh ON collection_versions (portable_data_hash);
CREATE INDEX collection_versions_modified ON collection_versions (modified_at, uuid);
CREATE INDEX collection_versions_superseded ON collection_versions (kind, superseded_at);
