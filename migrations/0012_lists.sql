-- Lists by time find all that they need of a project in here.
DROP INDEX groups_owner;
CREATE INDEX groups_owner ON groups (owner_uuid, newest_at, uuid, trash_at) WHERE group_class = 'project';
CREATE INDEX groups_owner_any ON groups (owner_uuid, modified_at, uuid);
