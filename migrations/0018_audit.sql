-- Who changed what. Triggers write here in the transaction of the change; from here it goes into logs, which may be in another
-- database. Events that say who changed or shared something are told from those of clients and downloads: they have an index and
-- an age of their own.
ALTER TABLE logs ADD COLUMN is_audit INTEGER NOT NULL DEFAULT 0;
DROP INDEX logs_created;
CREATE INDEX logs_created ON logs (is_audit, created_at);
CREATE INDEX logs_audit ON logs (object_uuid, event_at) WHERE is_audit = 1;

CREATE TABLE audit_pending (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- The end of the event's UUID, so that it is written once.
  tail TEXT NOT NULL DEFAULT (substr(lower(hex(randomblob(8))), 1, 15)),
  object_uuid TEXT NOT NULL,
  object_owner_uuid TEXT,
  event_type TEXT NOT NULL,
  -- Names of changed attributes, each followed by a comma.
  changed TEXT NOT NULL DEFAULT '',
  portable_data_hash TEXT,
  user_uuid TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT;

CREATE TRIGGER collections_audit_added AFTER INSERT ON collections BEGIN
  INSERT INTO audit_pending (object_uuid, object_owner_uuid, event_type, portable_data_hash, user_uuid, at)
    VALUES (NEW.uuid, NEW.owner_uuid, 'create', NEW.portable_data_hash, NEW.modified_by_user_uuid, NEW.modified_at);
END;
CREATE TRIGGER collections_audit_changed AFTER UPDATE OF modified_at ON collections WHEN NEW.modified_at <> OLD.modified_at BEGIN
  INSERT INTO audit_pending (object_uuid, object_owner_uuid, event_type, changed, portable_data_hash, user_uuid, at)
    VALUES (NEW.uuid, NEW.owner_uuid,
      CASE WHEN NEW.trash_at IS NOT NULL AND OLD.trash_at IS NULL THEN 'trash' WHEN NEW.trash_at IS NULL AND OLD.trash_at IS NOT NULL THEN 'untrash' ELSE 'update' END,
      iif(NEW.name IS NOT OLD.name, 'name,', '') || iif(NEW.description IS NOT OLD.description, 'description,', '') || iif(NEW.properties IS NOT OLD.properties, 'properties,', '') || iif(NEW.portable_data_hash IS NOT OLD.portable_data_hash, 'portable_data_hash,', '') || iif(NEW.owner_uuid IS NOT OLD.owner_uuid, 'owner_uuid,', '') || iif(NEW.trash_at IS NOT OLD.trash_at, 'trash_at,', '') || iif(NEW.replication_desired IS NOT OLD.replication_desired, 'replication_desired,', '') || iif(NEW.storage_classes_desired IS NOT OLD.storage_classes_desired, 'storage_classes_desired,', ''),
      NEW.portable_data_hash, NEW.modified_by_user_uuid, NEW.modified_at);
END;
CREATE TRIGGER collections_audit_removed AFTER DELETE ON collections BEGIN
  INSERT INTO audit_pending (object_uuid, object_owner_uuid, event_type, portable_data_hash, user_uuid, at)
    VALUES (OLD.uuid, OLD.owner_uuid, 'delete', OLD.portable_data_hash, substr(OLD.uuid, 1, 6) || 'tpzed-000000000000000', strftime('%Y-%m-%dT%H:%M:%f000000Z', 'now'));
END;

CREATE TRIGGER groups_audit_added AFTER INSERT ON groups BEGIN
  INSERT INTO audit_pending (object_uuid, object_owner_uuid, event_type, portable_data_hash, user_uuid, at)
    VALUES (NEW.uuid, NEW.owner_uuid, 'create', NULL, NEW.modified_by_user_uuid, NEW.modified_at);
END;
CREATE TRIGGER groups_audit_changed AFTER UPDATE OF modified_at ON groups WHEN NEW.modified_at <> OLD.modified_at BEGIN
  INSERT INTO audit_pending (object_uuid, object_owner_uuid, event_type, changed, portable_data_hash, user_uuid, at)
    VALUES (NEW.uuid, NEW.owner_uuid,
      CASE WHEN NEW.trash_at IS NOT NULL AND OLD.trash_at IS NULL THEN 'trash' WHEN NEW.trash_at IS NULL AND OLD.trash_at IS NOT NULL THEN 'untrash' ELSE 'update' END,
      iif(NEW.name IS NOT OLD.name, 'name,', '') || iif(NEW.description IS NOT OLD.description, 'description,', '') || iif(NEW.properties IS NOT OLD.properties, 'properties,', '') || iif(NEW.owner_uuid IS NOT OLD.owner_uuid, 'owner_uuid,', '') || iif(NEW.trash_at IS NOT OLD.trash_at, 'trash_at,', ''),
      NULL, NEW.modified_by_user_uuid, NEW.modified_at);
END;
CREATE TRIGGER groups_audit_removed AFTER DELETE ON groups BEGIN
  INSERT INTO audit_pending (object_uuid, object_owner_uuid, event_type, portable_data_hash, user_uuid, at)
    VALUES (OLD.uuid, OLD.owner_uuid, 'delete', NULL, OLD.modified_by_user_uuid, strftime('%Y-%m-%dT%H:%M:%f000000Z', 'now'));
END;

CREATE TRIGGER users_audit_added AFTER INSERT ON users BEGIN
  INSERT INTO audit_pending (object_uuid, object_owner_uuid, event_type, portable_data_hash, user_uuid, at)
    VALUES (NEW.uuid, NEW.owner_uuid, 'create', NULL, NEW.modified_by_user_uuid, NEW.modified_at);
END;
CREATE TRIGGER users_audit_changed AFTER UPDATE OF modified_at ON users WHEN NEW.modified_at <> OLD.modified_at BEGIN
  INSERT INTO audit_pending (object_uuid, object_owner_uuid, event_type, changed, portable_data_hash, user_uuid, at)
    VALUES (NEW.uuid, NEW.owner_uuid,
      'update',
      iif(NEW.username IS NOT OLD.username, 'username,', '') || iif(NEW.email IS NOT OLD.email, 'email,', '') || iif(NEW.first_name IS NOT OLD.first_name, 'first_name,', '') || iif(NEW.last_name IS NOT OLD.last_name, 'last_name,', '') || iif(NEW.is_admin IS NOT OLD.is_admin, 'is_admin,', '') || iif(NEW.is_active IS NOT OLD.is_active, 'is_active,', '') || iif(NEW.owner_uuid IS NOT OLD.owner_uuid, 'owner_uuid,', '') || iif(NEW.prefs IS NOT OLD.prefs, 'prefs,', ''),
      NULL, NEW.modified_by_user_uuid, NEW.modified_at);
END;
CREATE TRIGGER users_audit_removed AFTER DELETE ON users BEGIN
  INSERT INTO audit_pending (object_uuid, object_owner_uuid, event_type, portable_data_hash, user_uuid, at)
    VALUES (OLD.uuid, OLD.owner_uuid, 'delete', NULL, substr(OLD.uuid, 1, 6) || 'tpzed-000000000000000', strftime('%Y-%m-%dT%H:%M:%f000000Z', 'now'));
END;
