-- Accounts and their tokens. Times are ISO 8601 UTC with nine fraction digits: text order is time order.
CREATE TABLE users (
  uuid TEXT PRIMARY KEY,
  owner_uuid TEXT NOT NULL,
  username TEXT UNIQUE,
  email TEXT NOT NULL DEFAULT '',
  first_name TEXT NOT NULL DEFAULT '',
  last_name TEXT NOT NULL DEFAULT '',
  is_admin INTEGER NOT NULL DEFAULT 0,
  is_active INTEGER NOT NULL DEFAULT 1,
  is_uploader INTEGER NOT NULL DEFAULT 0,
  prefs TEXT NOT NULL DEFAULT '{}',
  created_at TEXT NOT NULL,
  modified_at TEXT NOT NULL,
  modified_by_user_uuid TEXT NOT NULL
) STRICT;
CREATE INDEX users_owner ON users (owner_uuid);

-- The secret itself is never stored: only its SHA-256.
CREATE TABLE tokens (
  uuid TEXT PRIMARY KEY,
  owner_uuid TEXT NOT NULL REFERENCES users (uuid),
  secret_sha256 TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL DEFAULT '["all"]',
  expires_at TEXT,
  created_at TEXT NOT NULL,
  modified_at TEXT NOT NULL,
  modified_by_user_uuid TEXT NOT NULL
) STRICT;
CREATE INDEX tokens_owner ON tokens (owner_uuid);
