-- Events that say who changed or shared something (../migrations/0018_audit.sql) have an index and an age of their own.
ALTER TABLE logs ADD COLUMN is_audit INTEGER NOT NULL DEFAULT 0;
DROP INDEX logs_created;
CREATE INDEX logs_created ON logs (is_audit, created_at);
CREATE INDEX logs_audit ON logs (object_uuid, event_at) WHERE is_audit = 1;
