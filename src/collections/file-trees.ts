import { waitUntil } from 'cloudflare:workers';
import { cacheKey, createBoundedMap } from '../keep/bounded-map.ts';
import type { FileTree } from './file-tree.ts';
import { buildFileTree } from './file-tree-builder.ts';
import { readTree, TREE_FORMAT } from './file-tree-format.ts';

/** A collection's manifest and its hash. */
export interface TreeSource {
  portableDataHash: string;
  manifest: () => Promise<AsyncIterable<Uint8Array>>;
}

export interface FileTrees {
  /**
   * The files of a collection: parsed once, then kept by portable data hash in this isolate and in this data centre.
   * The caller has checked that `token` may read it.
   * @throws KeepError `unreadable_manifest`; whatever the manifest's source throws
   */
  treeOf(collection: TreeSource, token: string): Promise<FileTree>;
}

/** Bytes of trees that one isolate keeps: a fraction of its 128 MB. */
const MAX_KEPT_BYTES = 40 * 1024 * 1024;
const MAX_KEPT_TREES = 10_000;
const MAX_BUILDING = 1000;
/** How long a request waits for another one that parses the same manifest, before it does the work as well. */
const MAX_WAIT_MS = 30_000;
const WAIT_STEP_MS = 20;
const CACHE_NAME = 'keep-file-trees';
const CACHE_CONTROL = 'public, max-age=31536000, immutable';

/** @param edgeCache whether trees are also kept by the Cache API */
export function createFileTrees(edgeCache: boolean): FileTrees {
  const kept = createBoundedMap<FileTree>({
    maxEntries: MAX_KEPT_TREES,
    maxBytes: MAX_KEPT_BYTES,
    sizeOf: (tree) => tree.buffer.byteLength,
  });
  const keep = (key: string, tree: FileTree): FileTree => {
    kept.set(key, tree);
    return tree;
  };
  /** Trees that a request is making. A request that is cut off may leave its entry behind, until it expires. */
  const building = createBoundedMap<true>({ maxEntries: MAX_BUILDING, maxBytes: MAX_KEPT_BYTES, sizeOf: () => 0 });
  const openCache = async () => (edgeCache ? await caches.open(CACHE_NAME) : null);
  const urlOf = (hash: string) => `https://keep-file-trees.invalid/${TREE_FORMAT}/${encodeURIComponent(hash)}`;

  async function fromCache(hash: string): Promise<FileTree | null> {
    const response = await (await openCache())?.match(urlOf(hash));
    return response === undefined ? null : readTree(await response.arrayBuffer());
  }
  async function toCache(hash: string, tree: FileTree): Promise<void> {
    const headers = { 'Cache-Control': CACHE_CONTROL, 'Content-Type': 'application/octet-stream' };
    await (await openCache())?.put(urlOf(hash), new Response(tree.buffer, { headers }));
  }
  async function make(collection: TreeSource, token: string): Promise<FileTree> {
    const hash = collection.portableDataHash;
    // A failing cache is no reason to fail the request.
    const cached = await fromCache(hash).catch(() => null);
    if (cached !== null) return keep(hash, cached);
    const { tree, shareable } = await buildFileTree(await collection.manifest());
    // Blocks signed for one token: kept for that token, in this isolate only.
    if (!shareable) return keep(await cacheKey(hash, token), tree);
    waitUntil(toCache(hash, tree).catch(() => undefined));
    return keep(hash, tree);
  }

  return {
    async treeOf(collection, token) {
      const key = await cacheKey(collection.portableDataHash, token);
      const find = () => kept.get(collection.portableDataHash) ?? kept.get(key);
      // Parsing the same large manifest several times at once would not fit into memory. Requests cannot wait for each
      // other's promises, so they look again from time to time.
      while (find() === undefined && building.get(key) === true) {
        await scheduler.wait(WAIT_STEP_MS);
      }
      const found = find();
      if (found !== undefined) return found;
      building.set(key, true, Date.now() + MAX_WAIT_MS);
      const made = make(collection, token).finally(() => building.delete(key));
      // Goes on when the client leaves: the next request finds the tree.
      waitUntil(made.catch(() => undefined));
      return made;
    },
  };
}
