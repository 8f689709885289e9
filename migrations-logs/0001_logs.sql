-- Logs and uploads in a database of their own (LOGS_DB): the tables of ../migrations, so that they cannot fill that of collections.
-- What clients report (POST /arvados/v1/logs).
CREATE TABLE logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL UNIQUE,
  owner_uuid TEXT NOT NULL,
  object_uuid TEXT,
  object_owner_uuid TEXT,
  event_type TEXT,
  summary TEXT,
  properties TEXT NOT NULL DEFAULT '{}',
  event_at TEXT NOT NULL,
  created_at TEXT NOT NULL,
  modified_at TEXT NOT NULL,
  modified_by_user_uuid TEXT NOT NULL
) STRICT;
CREATE INDEX logs_object ON logs (object_uuid, event_at);
CREATE INDEX logs_created ON logs (created_at);

-- One row for each block that was accepted.
CREATE TABLE uploads (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  hash TEXT NOT NULL,
  size INTEGER NOT NULL,
  user_uuid TEXT NOT NULL,
  uploaded_at TEXT NOT NULL
) STRICT;
CREATE INDEX uploads_user ON uploads (user_uuid, uploaded_at);
CREATE INDEX uploads_hash ON uploads (hash);
CREATE INDEX uploads_time ON uploads (uploaded_at);

-- Logs, uploads and expired tokens are deleted by age from here on. What is older than this row counts as of this age.
CREATE TABLE retention (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  since TEXT NOT NULL
) STRICT;
INSERT INTO retention (id, since) VALUES (1, strftime('%Y-%m-%dT%H:%M:%f000000Z', 'now'));
