-- Most bytes that a user or project may name. grown: bytes that commits added since the last balancing run counted usage.
CREATE TABLE quotas (
  subject_uuid TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL,
  grown INTEGER NOT NULL DEFAULT 0
) STRICT;
