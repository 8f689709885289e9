import type { CollectionSource, OpenCollection } from '../collections/source.ts';
import { cacheKey, createBoundedMap } from '../keep/bounded-map.ts';
import { KeepError } from '../keep/errors.ts';
import type { FileDependencies, FileSettings } from './dependencies.ts';

const MAX_ENTRIES = 1000;
const MAX_BYTES = 4 * 1024 * 1024;

export interface Opener {
  /** As CollectionSource.open. `fresh` asks the source again, whatever is cached. */
  open(id: string, token: string, fresh: boolean, signal: AbortSignal): Promise<OpenCollection | null>;
}

interface Cached {
  collection: OpenCollection;
  /** How many changes had been made through this service when it was opened. */
  changes: number;
  bytes: number;
}

/** What the opener asks: the record, and whether the token is still accepted. */
export interface OpenerDependencies {
  collections: Pick<CollectionSource, 'open'>;
  /** Answered from the cache of tokens, which a change of an account in this isolate empties. */
  isAccepted(token: string): Promise<boolean>;
  /**
   * Counts up with every change of a collection that this service makes, so that it is seen at once although what others
   * change is not looked for each time.
   */
  changesOf?: ((uuid: string) => Promise<number>) | undefined;
}

/**
 * Caches which collections a token may read: by portable data hash for `openTtlSeconds`, which is how long a revoked
 * permission may still be served (a revoked token or a deactivated user only for as long as the cache of tokens says); by
 * UUID for `readStalenessSeconds`. A refusal is never cached.
 * @param now Unix milliseconds
 */
export function createOpener(
  { collections: source, isAccepted, changesOf }: OpenerDependencies,
  { openTtlSeconds, readStalenessSeconds }: Pick<FileSettings, 'openTtlSeconds' | 'readStalenessSeconds'>,
  now: () => number,
): Opener {
  const opened = createBoundedMap<Cached>({
    maxEntries: MAX_ENTRIES,
    maxBytes: MAX_BYTES,
    sizeOf: ({ bytes }) => bytes,
    now,
  });
  return {
    async open(id, token, fresh, signal) {
      // What a UUID stands for may change with every commit, and a commit is seen at once.
      const ttlSeconds = id.includes('+') ? openTtlSeconds : readStalenessSeconds;
      if (ttlSeconds === 0) return source.open(id, token, signal);
      const key = await cacheKey(id, token);
      const found = fresh ? undefined : opened.get(key);
      // Counted before the source is asked: a change in between is looked for once more than needed.
      const counts = changesOf !== undefined && !id.includes('+');
      const changes = counts ? await changesOf(id).catch(() => -1) : 0;
      if (found !== undefined && changes === found.changes && changes >= 0 && (await isAccepted(token)))
        return found.collection;
      opened.delete(key);
      const until = now() + ttlSeconds * 1000;
      const collection = await source.open(id, token, signal);
      if (collection === null || changes < 0) return collection;
      // The closure below holds both texts.
      const bytes = 1000 + 2 * (id.length + token.length + collection.name.length);
      const kept = slim(
        collection,
        () => source.open(id, token),
        () => opened.delete(key),
      );
      opened.set(key, { collection: kept, changes, bytes }, until);
      return collection;
    },
  };
}

const openers = new WeakMap<FileSettings, Opener>();

/** The one opener of a service: surfaces share what is cached. */
export function openerOf(deps: FileDependencies): Opener {
  const opener = openers.get(deps.downloads) ?? createOpener(deps, deps.downloads, Date.now);
  openers.set(deps.downloads, opener);
  return opener;
}

/** What may be cached: not the manifest, which the collection may hold in memory. @param forget when the content is no longer there */
function slim(
  collection: OpenCollection,
  open: () => Promise<OpenCollection | null>,
  forget: () => void,
): OpenCollection {
  return {
    ...collection,
    async manifest() {
      const again = await open();
      if (again === null) throw new KeepError('not_found', { message: 'Not Found' });
      if (again.portableDataHash !== collection.portableDataHash) {
        forget();
        throw new KeepError('unavailable', { message: 'the collection has just been changed: ask again' });
      }
      return again.manifest();
    },
  };
}
