import type { CollectionSource, OpenCollection } from '../../collections/source.ts';
import { KeepError } from '../../keep/errors.ts';

/** Answers remembered per isolate; the oldest makes room. */
const MAX_REMEMBERED = 1000;

export interface Opener {
  /** As CollectionSource.open. `fresh` asks the source again, whatever is remembered. */
  open(id: string, token: string, fresh: boolean, signal: AbortSignal): Promise<OpenCollection | null>;
}

/**
 * Remembers for `ttlSeconds` which collections a token may read, so that a genome browser's hundreds of ranges ask
 * once. A refusal is never remembered. This is how long a revoked permission, or a collection's old content, may still
 * be served.
 * @param now Unix milliseconds
 */
export function createOpener(source: CollectionSource, ttlSeconds: number, now: () => number): Opener {
  const remembered = new Map<string, { collection: OpenCollection; until: number }>();
  return {
    async open(id, token, fresh, signal) {
      const key = `${id} ${token}`;
      const found = remembered.get(key);
      if (!fresh && found !== undefined && now() < found.until) return found.collection;
      remembered.delete(key);
      const until = now() + ttlSeconds * 1000;
      const collection = await source.open(id, token, signal);
      if (collection === null || ttlSeconds === 0) return collection;
      const oldest = remembered.keys().next();
      if (remembered.size >= MAX_REMEMBERED && oldest.done !== true) remembered.delete(oldest.value);
      remembered.set(key, { collection: slim(collection, () => source.open(id, token)), until });
      return collection;
    },
  };
}

/** What may be remembered: not the manifest, which the collection may hold in memory. */
function slim(collection: OpenCollection, open: () => Promise<OpenCollection | null>): OpenCollection {
  return {
    ...collection,
    async manifest() {
      const again = await open();
      if (again === null) throw new KeepError('not_found', { message: 'Not Found' });
      if (again.portableDataHash !== collection.portableDataHash) {
        throw new KeepError('unavailable', { message: 'the collection has just been changed: ask again' });
      }
      return again.manifest();
    },
  };
}
