-- Multipart uploads of S3. Parts are kept by the Durable Object of the collection; these rows say which uploads there are.
CREATE TABLE multipart_uploads (
  id TEXT PRIMARY KEY,
  collection_uuid TEXT NOT NULL,
  path TEXT NOT NULL,
  user_uuid TEXT NOT NULL,
  -- JSON: metadata of the file to be, and the checksum that its parts have.
  facts TEXT NOT NULL,
  created_at TEXT NOT NULL,
  -- JSON: what the upload came to, kept for clients that did not get the answer; NULL while it is open.
  completed TEXT
) STRICT;
CREATE INDEX multipart_uploads_by_path ON multipart_uploads (collection_uuid, path, id) WHERE completed IS NULL;
CREATE INDEX multipart_uploads_open ON multipart_uploads (id) WHERE completed IS NULL;
CREATE INDEX multipart_uploads_by_age ON multipart_uploads (created_at);
