-- Projects. Only group_class 'project' is made here.
CREATE TABLE groups (
  uuid TEXT PRIMARY KEY,
  owner_uuid TEXT NOT NULL,
  name TEXT,
  group_class TEXT NOT NULL DEFAULT 'project',
  description TEXT NOT NULL DEFAULT '',
  properties TEXT NOT NULL DEFAULT '{}',
  trash_at TEXT,
  delete_at TEXT,
  created_at TEXT NOT NULL,
  modified_at TEXT NOT NULL,
  modified_by_user_uuid TEXT NOT NULL
) STRICT;
CREATE INDEX groups_owner ON groups (owner_uuid);
CREATE UNIQUE INDEX groups_name ON groups (owner_uuid, name) WHERE name IS NOT NULL AND trash_at IS NULL;

-- The manifest's text, without signatures, is either in the row or, when it is large, in the MANIFESTS bucket under manifest_key.
CREATE TABLE collections (
  uuid TEXT PRIMARY KEY,
  owner_uuid TEXT NOT NULL,
  name TEXT,
  description TEXT NOT NULL DEFAULT '',
  properties TEXT NOT NULL DEFAULT '{}',
  portable_data_hash TEXT NOT NULL,
  manifest_inline TEXT,
  manifest_key TEXT,
  manifest_bytes INTEGER NOT NULL,
  file_count INTEGER NOT NULL,
  file_size_total INTEGER NOT NULL,
  replication_desired INTEGER,
  storage_classes_desired TEXT NOT NULL DEFAULT '["default"]',
  preserve_version INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1,
  trash_at TEXT,
  delete_at TEXT,
  created_at TEXT NOT NULL,
  modified_at TEXT NOT NULL,
  modified_by_user_uuid TEXT NOT NULL,
  -- Counts up with every change: a save that was computed from an older state is refused.
  revision INTEGER NOT NULL DEFAULT 1,
  CHECK ((manifest_inline IS NULL) <> (manifest_key IS NULL))
) STRICT;
CREATE INDEX collections_owner ON collections (owner_uuid);
CREATE INDEX collections_pdh ON collections (portable_data_hash);
CREATE INDEX collections_modified ON collections (modified_at, uuid);
CREATE INDEX collections_delete ON collections (delete_at) WHERE delete_at IS NOT NULL;
CREATE UNIQUE INDEX collections_name ON collections (owner_uuid, name) WHERE name IS NOT NULL AND trash_at IS NULL;
