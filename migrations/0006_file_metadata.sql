-- What clients gave along with single files: content type, x-amz-meta-*, ETags that cannot be derived. Beside the manifest, so that
-- the portable data hash is that of the content alone.
CREATE TABLE file_metadata (
  collection_uuid TEXT NOT NULL,
  path TEXT NOT NULL,
  metadata TEXT NOT NULL,
  PRIMARY KEY (collection_uuid, path)
) STRICT, WITHOUT ROWID;
