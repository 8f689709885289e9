-- Logs, uploads and expired tokens are deleted by age from here on. What is older than this row counts as of this age.
CREATE TABLE retention (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  since TEXT NOT NULL
) STRICT;
INSERT INTO retention (id, since) VALUES (1, strftime('%Y-%m-%dT%H:%M:%f000000Z', 'now'));
CREATE INDEX tokens_expires ON tokens (expires_at) WHERE expires_at IS NOT NULL;
