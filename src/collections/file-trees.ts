import { waitUntil } from 'cloudflare:workers';
import type { FileTree } from './file-tree.ts';
import { buildFileTree } from './file-tree-builder.ts';
import { readTree, TREE_FORMAT } from './file-tree-format.ts';

/** What is needed of a collection to know its files. */
export interface TreeSource {
  portableDataHash: string;
  manifest: () => Promise<AsyncIterable<Uint8Array>>;
}

export interface FileTrees {
  /**
   * The files of a collection: parsed once, then kept by portable data hash in this isolate and in this data centre.
   * The caller has proved that `token` may read it.
   * @throws KeepError `unreadable_manifest`; whatever the manifest's source throws
   */
  treeOf(collection: TreeSource, token: string): Promise<FileTree>;
}

/** Bytes of trees that one isolate keeps: a fraction of its 128 MB. */
const MAX_KEPT_BYTES = 40 * 1024 * 1024;
/** How long a request waits for another one that parses the same manifest, before it does the work as well. */
const MAX_WAIT_MS = 30_000;
const WAIT_STEP_MS = 20;
const CACHE_NAME = 'keep-file-trees';
const CACHE_CONTROL = 'public, max-age=31536000, immutable';

/** @param edgeCache whether trees are also kept by the Cache API */
export function createFileTrees(edgeCache: boolean): FileTrees {
  const kept = createTokenCache(MAX_KEPT_BYTES);
  /** Since when, in Unix milliseconds. A request that is cut off may leave its entry behind. */
  const building = new Map<string, number>();
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
  /** A tree whose blocks are signed for one token is kept under that token, in this isolate only. */
  async function privateKey(hash: string, token: string): Promise<string> {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token));
    return `${hash} ${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
  }
  async function make(collection: TreeSource, token: string): Promise<FileTree> {
    const hash = collection.portableDataHash;
    // A cache that cannot give or take is no reason to fail.
    const cached = await fromCache(hash).catch(() => null);
    if (cached !== null) return kept.keep(hash, cached);
    const { tree, shareable } = await buildFileTree(await collection.manifest());
    if (!shareable) return kept.keep(await privateKey(hash, token), tree);
    waitUntil(toCache(hash, tree).catch(() => undefined));
    return kept.keep(hash, tree);
  }

  return {
    async treeOf(collection, token) {
      const key = await privateKey(collection.portableDataHash, token);
      const find = () => kept.get(collection.portableDataHash) ?? kept.get(key);
      // Parsing the same large manifest several times at once would not fit into memory. Requests cannot wait for each
      // other's promises, so they look again from time to time.
      while (find() === null && Date.now() - (building.get(key) ?? 0) < MAX_WAIT_MS) {
        await scheduler.wait(WAIT_STEP_MS);
      }
      const found = find();
      if (found !== null) return found;
      building.set(key, Date.now());
      const made = make(collection, token).finally(() => building.delete(key));
      // A client that does not wait for it has started it for the next one.
      waitUntil(made.catch(() => undefined));
      return made;
    },
  };
}

/** The trees used last, as many as fit. A tree that is larger than everything is not kept. */
function createTokenCache(maxBytes: number) {
  const trees = new Map<string, FileTree>();
  let bytes = 0;
  const drop = (key: string) => {
    bytes -= trees.get(key)?.buffer.byteLength ?? 0;
    trees.delete(key);
  };
  return {
    get(key: string): FileTree | null {
      const tree = trees.get(key);
      if (tree === undefined) return null;
      trees.delete(key);
      trees.set(key, tree);
      return tree;
    },
    keep(key: string, tree: FileTree): FileTree {
      drop(key);
      if (tree.buffer.byteLength > maxBytes) return tree;
      trees.set(key, tree);
      bytes += tree.buffer.byteLength;
      for (const oldest of trees.keys()) {
        if (bytes <= maxBytes) break;
        drop(oldest);
      }
      return tree;
    },
  };
}
