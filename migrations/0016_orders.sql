-- Lists in the order of creation, which clients page through by key.
CREATE INDEX collections_created ON collections (created_at, uuid);
CREATE INDEX groups_created ON groups (created_at, uuid);
