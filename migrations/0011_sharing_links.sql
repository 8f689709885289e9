-- A sharing link is a token that opens one collection. When it was last used is known to within a minute.
ALTER TABLE tokens ADD COLUMN collection_uuid TEXT;
ALTER TABLE tokens ADD COLUMN name TEXT;
ALTER TABLE tokens ADD COLUMN last_used_at TEXT;
CREATE INDEX tokens_collection ON tokens (collection_uuid, created_at) WHERE collection_uuid IS NOT NULL;
CREATE TRIGGER collections_links_end AFTER DELETE ON collections BEGIN
  DELETE FROM tokens WHERE collection_uuid = OLD.uuid;
END;
