-- Times are kept within the years 1 to 9999, in one form whose text order is the time order. Earlier versions computed and
-- accepted others (`+010000-01-14T…`, `-000001-12-31T…`), which sort before every year: a sweep would delete the record.
UPDATE collections SET delete_at = '9999-12-31T23:59:59.999000000Z'
  WHERE delete_at NOT GLOB '[0-9][0-9][0-9][0-9]-??-??T??:??:??.?????????Z';
UPDATE collections SET trash_at = iif(trash_at LIKE '+%', '9999-12-31T23:59:59.999000000Z', '0001-01-01T00:00:00.000000000Z')
  WHERE trash_at NOT GLOB '[0-9][0-9][0-9][0-9]-??-??T??:??:??.?????????Z' OR trash_at < '0001';
UPDATE groups SET delete_at = '9999-12-31T23:59:59.999000000Z'
  WHERE delete_at NOT GLOB '[0-9][0-9][0-9][0-9]-??-??T??:??:??.?????????Z';
UPDATE groups SET trash_at = iif(trash_at LIKE '+%', '9999-12-31T23:59:59.999000000Z', '0001-01-01T00:00:00.000000000Z')
  WHERE trash_at NOT GLOB '[0-9][0-9][0-9][0-9]-??-??T??:??:??.?????????Z' OR trash_at < '0001';
UPDATE tokens SET expires_at = iif(expires_at LIKE '+%', '9999-12-31T23:59:59.999000000Z', '0001-01-01T00:00:00.000000000Z')
  WHERE expires_at NOT GLOB '[0-9][0-9][0-9][0-9]-??-??T??:??:??.?????????Z' OR expires_at < '0001';
UPDATE logs SET event_at = iif(event_at LIKE '+%', '9999-12-31T23:59:59.999000000Z', '0001-01-01T00:00:00.000000000Z')
  WHERE event_at NOT GLOB '[0-9][0-9][0-9][0-9]-??-??T??:??:??.?????????Z' OR event_at < '0001';
