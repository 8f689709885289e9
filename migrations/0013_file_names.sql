-- The first 8 KiB of a collection's file names, one a line, for filters. Collections from before get theirs with the next change of their files.
ALTER TABLE collections ADD COLUMN file_names TEXT NOT NULL DEFAULT '';
