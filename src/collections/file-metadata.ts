import { createBoundedMap } from '../keep/bounded-map.ts';
import type { FileMetadata } from './edit/edits.ts';
import { readMetadata } from './edit/metadata-rows.ts';
import type { CollectionSource } from './source.ts';

const MAX_ENTRIES = 5000;
const MAX_BYTES = 2 * 1024 * 1024;
/** Characters of paths that go into one query; D1 takes values of 2 MB. */
const MAX_QUERY_CHARS = 400_000;

/**
 * Reads what is stored beside files. It changes only with the collection's revision, so what was read for one stays
 * true for it.
 */
export function createMetadataReader(db: D1Database): CollectionSource['metadata'] {
  const known = createBoundedMap<FileMetadata | null>({
    maxEntries: MAX_ENTRIES,
    maxBytes: MAX_BYTES,
    sizeOf: (metadata) => (metadata === null ? 0 : 2 * JSON.stringify(metadata).length),
  });
  return async ({ uuid, revision, hasMetadata }, paths) => {
    const found = new Map<string, FileMetadata>();
    if (uuid === null || !hasMetadata) return found;
    const keyOf = (path: string) => `${uuid} ${revision} ${path}`;
    const unknown = paths.filter((path) => {
      const metadata = revision === null ? undefined : known.get(keyOf(path));
      if (metadata !== undefined && metadata !== null) found.set(path, metadata);
      return metadata === undefined;
    });
    for (const some of batches(unknown)) {
      const read = await readMetadata(db, uuid, some);
      for (const [path, metadata] of read) found.set(path, metadata);
      if (revision !== null) for (const path of some) known.set(keyOf(path), read.get(path) ?? null);
    }
    return found;
  };
}

function* batches(paths: readonly string[]): Generator<string[]> {
  let batch: string[] = [];
  let chars = 0;
  for (const path of paths) {
    if (chars + path.length > MAX_QUERY_CHARS && batch.length > 0) {
      yield batch;
      batch = [];
      chars = 0;
    }
    batch.push(path);
    chars += path.length;
  }
  if (batch.length > 0) yield batch;
}
