-- What the last balancing run found: copies that every block of a collection has at least, and whether all are in the wanted classes.
ALTER TABLE collections ADD COLUMN replication_confirmed INTEGER;
ALTER TABLE collections ADD COLUMN replication_confirmed_at TEXT;
ALTER TABLE collections ADD COLUMN storage_classes_confirmed TEXT NOT NULL DEFAULT '[]';
ALTER TABLE collections ADD COLUMN storage_classes_confirmed_at TEXT;

-- What users, projects and collections use, as the last run counted it. Blocks that a subject names more than once count once.
CREATE TABLE usage (
  subject_uuid TEXT PRIMARY KEY,
  -- collection, or owner: a project or a user.
  kind TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  blocks INTEGER NOT NULL,
  run INTEGER NOT NULL,
  measured_at TEXT NOT NULL
) STRICT;
CREATE INDEX usage_run ON usage (run) WHERE kind = 'owner';
CREATE INDEX usage_bytes ON usage (kind, bytes);

-- One row a run: growth over time.
CREATE TABLE usage_history (
  measured_at TEXT PRIMARY KEY,
  run INTEGER NOT NULL,
  named_bytes INTEGER NOT NULL,
  named_blocks INTEGER NOT NULL,
  stored_bytes INTEGER NOT NULL,
  stored_blocks INTEGER NOT NULL,
  unnamed_bytes INTEGER NOT NULL,
  unnamed_blocks INTEGER NOT NULL,
  trashed_bytes INTEGER NOT NULL,
  trashed_blocks INTEGER NOT NULL,
  -- Sum over collections: what would be stored without sharing of blocks.
  collections_bytes INTEGER NOT NULL,
  collections INTEGER NOT NULL
) STRICT;
