import { cacheUrl } from '../../blocks/cache-keys.ts';
import type { AsideStore } from '../../blocks/name-block.ts';

const CACHE_NAME = 'keep-unnamed';
const MAX_AGE_SECONDS = 600;

/** Sets blocks aside where there is no bucket: in the data centre's cache, which may drop them at any time. */
export function createCacheAside(): AsideStore {
  const urlOf = (key: string) => cacheUrl('aside', key);
  // Opened for each use: a promise must not be shared between requests, of which the first may be cut off.
  const open = () => caches.open(CACHE_NAME);
  return {
    async put(key, body, { size }) {
      const headers = { 'Cache-Control': `max-age=${MAX_AGE_SECONDS}`, 'Content-Length': String(size) };
      await (await open()).put(urlOf(key), new Response(body, { headers }));
      return { key, size, md5: null, modified: Date.now() };
    },
    async get(key) {
      const response = await (await open()).match(urlOf(key));
      const body = response?.body ?? null;
      if (response === undefined || body === null) return null;
      return { key, size: Number(response.headers.get('Content-Length')), md5: null, modified: Date.now(), body };
    },
    async delete(keys) {
      for (const key of keys) await (await open()).delete(urlOf(key));
    },
  };
}
