-- Collections from before file_names was there: the cron fills it in from their texts.
CREATE INDEX collections_unnamed ON collections (uuid) WHERE file_names = '' AND file_count > 0;
