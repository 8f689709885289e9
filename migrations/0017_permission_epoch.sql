-- Counts up with every change that may take a permission away: what a replica of the database says about permissions counts only
-- when the replica has seen the last of them.
CREATE TABLE permission_epoch (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  n INTEGER NOT NULL
) STRICT;
INSERT INTO permission_epoch (id, n) VALUES (1, 1);

CREATE TRIGGER links_narrowed AFTER UPDATE OF level, tail_uuid, head_uuid, link_class ON links BEGIN
  UPDATE permission_epoch SET n = n + 1;
END;
CREATE TRIGGER links_ended AFTER DELETE ON links BEGIN
  UPDATE permission_epoch SET n = n + 1;
END;
CREATE TRIGGER groups_hidden AFTER UPDATE OF owner_uuid, trash_at ON groups
  WHEN NEW.owner_uuid <> OLD.owner_uuid OR NEW.trash_at IS NOT OLD.trash_at BEGIN
  UPDATE permission_epoch SET n = n + 1;
END;
CREATE TRIGGER groups_ended AFTER DELETE ON groups BEGIN
  UPDATE permission_epoch SET n = n + 1;
END;
CREATE TRIGGER collections_hidden AFTER UPDATE OF owner_uuid, trash_at ON collections
  WHEN NEW.owner_uuid <> OLD.owner_uuid OR NEW.trash_at IS NOT OLD.trash_at BEGIN
  UPDATE permission_epoch SET n = n + 1;
END;
CREATE TRIGGER collections_ended AFTER DELETE ON collections BEGIN
  UPDATE permission_epoch SET n = n + 1;
END;
CREATE TRIGGER users_narrowed AFTER UPDATE OF owner_uuid, is_active, is_admin ON users BEGIN
  UPDATE permission_epoch SET n = n + 1;
END;
