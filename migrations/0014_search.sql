-- Records that the search index (migrations-search) may not know as they are now. A row stays for a while after its record was
-- indexed: a replica of the index may lag. Kept by the database itself, so that no change is lost.
CREATE TABLE search_pending (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL UNIQUE,
  indexed_at TEXT
) STRICT;
CREATE INDEX search_pending_waiting ON search_pending (seq) WHERE indexed_at IS NULL;
CREATE INDEX search_pending_indexed ON search_pending (indexed_at) WHERE indexed_at IS NOT NULL;

CREATE TRIGGER collections_search_added AFTER INSERT ON collections BEGIN
  DELETE FROM search_pending WHERE uuid = NEW.uuid;
  INSERT INTO search_pending (uuid) VALUES (NEW.uuid);
END;
CREATE TRIGGER collections_search_changed AFTER UPDATE OF name, description, properties, file_names, modified_at ON collections BEGIN
  DELETE FROM search_pending WHERE uuid = NEW.uuid;
  INSERT INTO search_pending (uuid) VALUES (NEW.uuid);
END;
CREATE TRIGGER collections_search_removed AFTER DELETE ON collections BEGIN
  DELETE FROM search_pending WHERE uuid = OLD.uuid;
  INSERT INTO search_pending (uuid) VALUES (OLD.uuid);
END;
CREATE TRIGGER groups_search_added AFTER INSERT ON groups BEGIN
  DELETE FROM search_pending WHERE uuid = NEW.uuid;
  INSERT INTO search_pending (uuid) VALUES (NEW.uuid);
END;
CREATE TRIGGER groups_search_changed AFTER UPDATE OF name, description, properties, modified_at ON groups BEGIN
  DELETE FROM search_pending WHERE uuid = NEW.uuid;
  INSERT INTO search_pending (uuid) VALUES (NEW.uuid);
END;
CREATE TRIGGER groups_search_removed AFTER DELETE ON groups BEGIN
  DELETE FROM search_pending WHERE uuid = OLD.uuid;
  INSERT INTO search_pending (uuid) VALUES (OLD.uuid);
END;
