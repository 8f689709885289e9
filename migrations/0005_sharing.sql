-- Who may do what with whom. A permission's level: 1 read, 2 write, 3 manage; 0 for links that grant nothing.
CREATE TABLE links (
  uuid TEXT PRIMARY KEY,
  owner_uuid TEXT NOT NULL,
  link_class TEXT NOT NULL,
  name TEXT NOT NULL DEFAULT '',
  tail_uuid TEXT NOT NULL DEFAULT '',
  head_uuid TEXT NOT NULL DEFAULT '',
  -- What the head is, which never changes: user, role, project, collection; empty for anything else.
  head_class TEXT NOT NULL DEFAULT '',
  level INTEGER NOT NULL DEFAULT 0,
  properties TEXT NOT NULL DEFAULT '{}',
  created_at TEXT NOT NULL,
  modified_at TEXT NOT NULL,
  modified_by_user_uuid TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX links_permission ON links (tail_uuid, head_uuid) WHERE link_class = 'permission';
CREATE INDEX links_membership ON links (tail_uuid, head_uuid, level) WHERE link_class = 'permission' AND head_class = 'role';
CREATE INDEX links_grants ON links (tail_uuid, head_class, head_uuid, level) WHERE link_class = 'permission';
CREATE INDEX links_head ON links (head_uuid, link_class);
CREATE INDEX links_owner ON links (owner_uuid, link_class);

-- For a project or an uploader account: every project and user above it. What is directly in a home has that user only.
CREATE TABLE ancestors (
  uuid TEXT NOT NULL,
  ancestor TEXT NOT NULL,
  PRIMARY KEY (uuid, ancestor)
) STRICT, WITHOUT ROWID;
CREATE INDEX ancestors_below ON ancestors (ancestor, uuid);

-- No record inside was modified later than this, at any depth: where a list by time looks first. It never goes back.
ALTER TABLE groups ADD COLUMN newest_at TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN newest_at TEXT NOT NULL DEFAULT '';

INSERT INTO ancestors (uuid, ancestor)
  WITH RECURSIVE up(uuid, ancestor) AS (
    SELECT uuid, owner_uuid FROM groups
    UNION SELECT uuid, owner_uuid FROM users WHERE is_uploader = 1
    UNION SELECT up.uuid, groups.owner_uuid FROM up JOIN groups ON groups.uuid = up.ancestor
    UNION SELECT up.uuid, users.owner_uuid FROM up JOIN users ON users.uuid = up.ancestor WHERE users.is_uploader = 1
  ) SELECT uuid, ancestor FROM up;
UPDATE groups SET newest_at = coalesce((SELECT max(latest) FROM (
    SELECT groups.modified_at AS latest
    UNION ALL SELECT max(modified_at) FROM collections WHERE owner_uuid = groups.uuid
    UNION ALL SELECT max(collections.modified_at) FROM ancestors CROSS JOIN collections ON collections.owner_uuid = ancestors.uuid WHERE ancestors.ancestor = groups.uuid
    UNION ALL SELECT max(deeper.modified_at) FROM ancestors CROSS JOIN groups AS deeper ON deeper.uuid = ancestors.uuid WHERE ancestors.ancestor = groups.uuid
  )), '');
UPDATE users SET newest_at = coalesce((SELECT max(latest) FROM (
    SELECT max(modified_at) AS latest FROM collections WHERE owner_uuid = users.uuid
    UNION ALL SELECT max(newest_at) FROM groups WHERE owner_uuid = users.uuid
    UNION ALL SELECT max(collections.modified_at) FROM ancestors CROSS JOIN collections ON collections.owner_uuid = ancestors.uuid WHERE ancestors.ancestor = users.uuid
  )), '');

DROP INDEX collections_owner;
CREATE INDEX collections_owner ON collections (owner_uuid, modified_at, uuid);
DROP INDEX collections_pdh;
CREATE INDEX collections_pdh ON collections (portable_data_hash, modified_at);
DROP INDEX groups_owner;
CREATE INDEX groups_owner ON groups (owner_uuid, newest_at, uuid);
CREATE INDEX groups_modified ON groups (modified_at, uuid);
CREATE INDEX groups_roles ON groups (modified_at, uuid) WHERE group_class = 'role';
CREATE INDEX groups_trashed ON groups (uuid, trash_at) WHERE trash_at IS NOT NULL;

-- Kept by the database itself, so that an older version of the Worker keeps them too.
CREATE TRIGGER groups_added AFTER INSERT ON groups WHEN NEW.group_class = 'project' BEGIN
  INSERT OR IGNORE INTO ancestors (uuid, ancestor)
    SELECT NEW.uuid, NEW.owner_uuid UNION SELECT NEW.uuid, ancestor FROM ancestors WHERE uuid = NEW.owner_uuid;
  UPDATE groups SET newest_at = NEW.modified_at WHERE newest_at < NEW.modified_at
    AND uuid IN (SELECT NEW.uuid UNION ALL SELECT ancestor FROM ancestors WHERE uuid = NEW.uuid);
  UPDATE users SET newest_at = NEW.modified_at WHERE newest_at < NEW.modified_at
    AND uuid IN (SELECT ancestor FROM ancestors WHERE uuid = NEW.uuid);
END;
CREATE TRIGGER groups_changed AFTER UPDATE OF modified_at ON groups WHEN NEW.group_class = 'project' BEGIN
  UPDATE groups SET newest_at = NEW.modified_at WHERE newest_at < NEW.modified_at
    AND uuid IN (SELECT NEW.uuid UNION ALL SELECT ancestor FROM ancestors WHERE uuid = NEW.uuid);
  UPDATE users SET newest_at = NEW.modified_at WHERE newest_at < NEW.modified_at
    AND uuid IN (SELECT ancestor FROM ancestors WHERE uuid = NEW.uuid);
END;
CREATE TRIGGER groups_moved AFTER UPDATE OF owner_uuid ON groups WHEN NEW.owner_uuid <> OLD.owner_uuid AND NEW.group_class = 'project' BEGIN
  DELETE FROM ancestors
    WHERE uuid IN (SELECT NEW.uuid UNION ALL SELECT uuid FROM ancestors WHERE ancestor = NEW.uuid)
    AND ancestor IN (SELECT ancestor FROM ancestors WHERE uuid = NEW.uuid);
  INSERT OR IGNORE INTO ancestors (uuid, ancestor)
    SELECT below.uuid, upper.uuid
    FROM (SELECT NEW.uuid AS uuid UNION ALL SELECT uuid FROM ancestors WHERE ancestor = NEW.uuid) AS below
    CROSS JOIN (SELECT NEW.owner_uuid AS uuid UNION SELECT ancestor FROM ancestors WHERE uuid = NEW.owner_uuid) AS upper;
  UPDATE groups SET newest_at = NEW.newest_at WHERE newest_at < NEW.newest_at
    AND uuid IN (SELECT ancestor FROM ancestors WHERE uuid = NEW.uuid);
  UPDATE users SET newest_at = NEW.newest_at WHERE newest_at < NEW.newest_at
    AND uuid IN (SELECT ancestor FROM ancestors WHERE uuid = NEW.uuid);
END;
CREATE TRIGGER groups_removed AFTER DELETE ON groups BEGIN
  DELETE FROM ancestors WHERE uuid = OLD.uuid;
  DELETE FROM links WHERE head_uuid = OLD.uuid;
  DELETE FROM links WHERE tail_uuid = OLD.uuid AND link_class = 'permission';
END;
CREATE TRIGGER uploaders_added AFTER INSERT ON users WHEN NEW.is_uploader = 1 BEGIN
  INSERT OR IGNORE INTO ancestors (uuid, ancestor)
    SELECT NEW.uuid, NEW.owner_uuid UNION SELECT NEW.uuid, ancestor FROM ancestors WHERE uuid = NEW.owner_uuid;
END;
CREATE TRIGGER uploaders_moved AFTER UPDATE OF owner_uuid ON users WHEN NEW.owner_uuid <> OLD.owner_uuid AND NEW.is_uploader = 1 BEGIN
  DELETE FROM ancestors
    WHERE uuid IN (SELECT NEW.uuid UNION ALL SELECT uuid FROM ancestors WHERE ancestor = NEW.uuid)
    AND ancestor IN (SELECT ancestor FROM ancestors WHERE uuid = NEW.uuid);
  INSERT OR IGNORE INTO ancestors (uuid, ancestor)
    SELECT below.uuid, upper.uuid
    FROM (SELECT NEW.uuid AS uuid UNION ALL SELECT uuid FROM ancestors WHERE ancestor = NEW.uuid) AS below
    CROSS JOIN (SELECT NEW.owner_uuid AS uuid UNION SELECT ancestor FROM ancestors WHERE uuid = NEW.owner_uuid) AS upper;
END;
CREATE TRIGGER collections_added AFTER INSERT ON collections BEGIN
  UPDATE groups SET newest_at = NEW.modified_at WHERE newest_at < NEW.modified_at
    AND uuid IN (SELECT NEW.owner_uuid UNION ALL SELECT ancestor FROM ancestors WHERE uuid = NEW.owner_uuid);
  UPDATE users SET newest_at = NEW.modified_at WHERE newest_at < NEW.modified_at
    AND uuid IN (SELECT NEW.owner_uuid UNION ALL SELECT ancestor FROM ancestors WHERE uuid = NEW.owner_uuid);
END;
CREATE TRIGGER collections_changed AFTER UPDATE OF modified_at, owner_uuid ON collections BEGIN
  UPDATE groups SET newest_at = NEW.modified_at WHERE newest_at < NEW.modified_at
    AND uuid IN (SELECT NEW.owner_uuid UNION ALL SELECT ancestor FROM ancestors WHERE uuid = NEW.owner_uuid);
  UPDATE users SET newest_at = NEW.modified_at WHERE newest_at < NEW.modified_at
    AND uuid IN (SELECT NEW.owner_uuid UNION ALL SELECT ancestor FROM ancestors WHERE uuid = NEW.owner_uuid);
END;
CREATE TRIGGER collections_removed AFTER DELETE ON collections BEGIN
  DELETE FROM links WHERE head_uuid = OLD.uuid;
END;
