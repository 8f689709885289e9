-- What changed in accounts and in the metadata of files, and is not yet in the bucket: docs/storage-schema.md#backups. Kept by the
-- database itself, so that nothing that changes a row can forget it, an older version of the Worker included.
CREATE TABLE account_changes (
  -- Without gaps: a restore tells from it whether anything is missing.
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tbl TEXT NOT NULL,
  key TEXT NOT NULL
) STRICT;
CREATE TABLE file_changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  collection_uuid TEXT NOT NULL,
  path TEXT NOT NULL
) STRICT;
-- How far background work on backups is, JSON.
CREATE TABLE backup_state (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
-- Keys whose last state a restore has already seen. Empty but during a restore.
CREATE TABLE restored_keys (
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (tbl, key)
) STRICT, WITHOUT ROWID;

-- Accounts from before are in no backup until the first snapshot.
INSERT INTO account_changes (tbl, key) SELECT 'earlier', '' WHERE EXISTS (SELECT 1 FROM users);

CREATE TRIGGER users_backup_added AFTER INSERT ON users
WHEN NOT EXISTS (SELECT 1 FROM backup_state WHERE name = 'restore') BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('users', NEW.uuid);
END;
CREATE TRIGGER users_backup_changed AFTER UPDATE ON users
WHEN NEW.newest_at = OLD.newest_at AND NOT EXISTS (SELECT 1 FROM backup_state WHERE name = 'restore') BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('users', NEW.uuid);
END;
CREATE TRIGGER users_backup_removed AFTER DELETE ON users BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('users', OLD.uuid);
END;
CREATE TRIGGER groups_backup_added AFTER INSERT ON groups
WHEN NOT EXISTS (SELECT 1 FROM backup_state WHERE name = 'restore') BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('groups', NEW.uuid);
END;
CREATE TRIGGER groups_backup_changed AFTER UPDATE ON groups
WHEN NEW.newest_at = OLD.newest_at AND NOT EXISTS (SELECT 1 FROM backup_state WHERE name = 'restore') BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('groups', NEW.uuid);
END;
CREATE TRIGGER groups_backup_removed AFTER DELETE ON groups BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('groups', OLD.uuid);
END;
CREATE TRIGGER links_backup_added AFTER INSERT ON links
WHEN NOT EXISTS (SELECT 1 FROM backup_state WHERE name = 'restore') BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('links', NEW.uuid);
END;
CREATE TRIGGER links_backup_changed AFTER UPDATE ON links BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('links', NEW.uuid);
END;
CREATE TRIGGER links_backup_removed AFTER DELETE ON links BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('links', OLD.uuid);
END;
CREATE TRIGGER tokens_backup_added AFTER INSERT ON tokens
WHEN NOT EXISTS (SELECT 1 FROM backup_state WHERE name = 'restore') BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('tokens', NEW.uuid);
END;
-- When a link was last used need not be known after a restore.
CREATE TRIGGER tokens_backup_changed AFTER UPDATE ON tokens WHEN NEW.last_used_at IS OLD.last_used_at BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('tokens', NEW.uuid);
END;
CREATE TRIGGER tokens_backup_removed AFTER DELETE ON tokens BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('tokens', OLD.uuid);
END;
CREATE TRIGGER quotas_backup_added AFTER INSERT ON quotas
WHEN NOT EXISTS (SELECT 1 FROM backup_state WHERE name = 'restore') BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('quotas', NEW.subject_uuid);
END;
CREATE TRIGGER quotas_backup_changed AFTER UPDATE OF bytes ON quotas BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('quotas', NEW.subject_uuid);
END;
CREATE TRIGGER quotas_backup_removed AFTER DELETE ON quotas BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('quotas', OLD.subject_uuid);
END;
-- A change of owner that is not a revision of its own: a user's collections are handed over in bulk.
CREATE TRIGGER collections_backup_moved AFTER UPDATE OF owner_uuid ON collections
WHEN NEW.owner_uuid <> OLD.owner_uuid AND NEW.revision = OLD.revision
  AND NOT EXISTS (SELECT 1 FROM backup_state WHERE name = 'restore') BEGIN
  INSERT INTO account_changes (tbl, key) VALUES ('collections', NEW.uuid);
END;
-- What a deleted collection held stays restorable with it.
CREATE TRIGGER file_metadata_backup_added AFTER INSERT ON file_metadata
WHEN NOT EXISTS (SELECT 1 FROM backup_state WHERE name = 'restore') BEGIN
  INSERT INTO file_changes (collection_uuid, path) VALUES (NEW.collection_uuid, NEW.path);
END;
CREATE TRIGGER file_metadata_backup_changed AFTER UPDATE ON file_metadata BEGIN
  INSERT INTO file_changes (collection_uuid, path) VALUES (NEW.collection_uuid, NEW.path);
  INSERT INTO file_changes (collection_uuid, path)
    SELECT OLD.collection_uuid, OLD.path WHERE OLD.path <> NEW.path OR OLD.collection_uuid <> NEW.collection_uuid;
END;
CREATE TRIGGER file_metadata_backup_removed AFTER DELETE ON file_metadata
WHEN EXISTS (SELECT 1 FROM collections WHERE uuid = OLD.collection_uuid) BEGIN
  INSERT INTO file_changes (collection_uuid, path) VALUES (OLD.collection_uuid, OLD.path);
END;
