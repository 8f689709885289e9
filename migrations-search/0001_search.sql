-- The search index (SEARCH). It can be emptied and rebuilt from the main database at any time, and holds no permissions.
-- A document that changes gets a new id: ids descend as a list of the newest first does.
CREATE TABLE documents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL UNIQUE,
  -- The number in search_pending of the change that was indexed last; 0: found by a rebuild.
  seq INTEGER NOT NULL
) STRICT;
-- Which trigrams are in which document: what is found is held against the record itself.
CREATE VIRTUAL TABLE collections_trigrams USING fts5 (text, tokenize = 'trigram', content = '', contentless_delete = 1, detail = 'none');
CREATE VIRTUAL TABLE groups_trigrams USING fts5 (text, tokenize = 'trigram', content = '', contentless_delete = 1, detail = 'none');

-- How far a rebuild has come. Until it is complete, searches look at the records themselves.
CREATE TABLE progress (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  after_time TEXT NOT NULL,
  after_uuid TEXT NOT NULL,
  completed_at TEXT
) STRICT;
INSERT INTO progress (id, after_time, after_uuid) VALUES (1, '', '');
