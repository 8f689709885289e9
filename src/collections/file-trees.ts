import { waitUntil } from 'cloudflare:workers';
import { cacheUrl } from '../blocks/cache-keys.ts';
import { cacheKey, createBoundedMap } from '../keep/bounded-map.ts';
import { KeepError } from '../keep/errors.ts';
import type { FileTree } from './file-tree.ts';
import { type BuiltTree, buildFileTree } from './file-tree-builder.ts';
import { readTree, TREE_FORMAT } from './file-tree-format.ts';

/** A collection's manifest and its hash. */
export interface TreeSource {
  /** Null or missing: found by its portable data hash. */
  uuid?: string | null;
  modifiedAt?: string;
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
  /**
   * The same files from the manifest as it is now, when a read by a +R signature in `stale` has failed; null when it
   * was read a moment ago. The portable data hash says nothing about signatures.
   * @throws KeepError as treeOf
   */
  renewed(collection: TreeSource, token: string, stale: FileTree): Promise<FileTree | null>;
}

/** Bytes of trees that one isolate keeps: a fraction of its 128 MB. */
const MAX_KEPT_BYTES = 40 * 1024 * 1024;
const MAX_KEPT_TREES = 10_000;
const MAX_BUILDING = 1000;
/** A tree goes before its first signature does, so that a download that begins with it can end. */
const EXPIRY_MARGIN_MS = 60_000;
/** However soon signatures expire: a large manifest is not parsed for each range of a file. */
const MIN_LIFE_MS = 5_000;
/** After reading a manifest again, which did not help: the pause is this many times as long as that took, or longer. */
const RENEWAL_PAUSE_FACTOR = 10;
const MIN_RENEWAL_PAUSE_MS = 500;
/** How long a request waits for another one that parses the same manifest, before it does the work as well. */
const MAX_WAIT_MS = 30_000;
const WAIT_STEP_MS = 20;
const CACHE_NAME = 'keep-file-trees';
const CACHE_CONTROL = 'public, max-age=31536000, immutable';

/** A manifest of more takes several times its bytes while it is parsed: two of them at once would not fit into memory. */
const LARGE_BYTES = 4 * 1024 * 1024;
/** Large manifests that are being parsed, of all collections: when each went on last. A request that was cut off leaves its entry. */
const large = new Map<symbol, number>();

/**
 * Parses a manifest, the rest of a large one when no other large one is being parsed.
 * @throws KeepError as buildFileTree; unavailable when others take long
 */
async function buildAlone(manifest: AsyncIterable<Uint8Array>): Promise<BuiltTree> {
  const slot = Symbol('manifest');
  async function* inTurn(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for await (const chunk of manifest) {
      bytes += chunk.byteLength;
      if (bytes > LARGE_BYTES) await takeLarge(slot);
      yield chunk;
    }
  }
  try {
    return await buildFileTree(inTurn());
  } finally {
    large.delete(slot);
  }
}

/** Requests cannot wait for each other's promises, so they look from time to time. */
async function takeLarge(slot: symbol): Promise<void> {
  for (let waited = 0; !large.has(slot) && isLargeTaken(); waited += WAIT_STEP_MS) {
    if (waited > MAX_WAIT_MS)
      throw new KeepError('unavailable', { message: 'other large collections are being opened: try again' });
    await scheduler.wait(WAIT_STEP_MS);
  }
  large.set(slot, Date.now());
}

function isLargeTaken(): boolean {
  for (const [slot, at] of large) if (Date.now() - at > MAX_WAIT_MS) large.delete(slot);
  return large.size > 0;
}

/** @param edgeCache whether trees are also kept by the Cache API */
export function createFileTrees(edgeCache: boolean): FileTrees {
  const kept = createBoundedMap<FileTree>({
    maxEntries: MAX_KEPT_TREES,
    maxBytes: MAX_KEPT_BYTES,
    // Hints are in the buffer and beside it, as texts.
    sizeOf: ({ buffer, hints }) => buffer.byteLength + hints.reduce((sum, hint) => sum + 2 * hint.length, 0),
  });
  const keep = (key: string, tree: FileTree, until?: number): FileTree => {
    kept.set(key, tree, until);
    return tree;
  };
  /** Collections whose manifests were read again lately. */
  const renewals = createBoundedMap<true>({ maxEntries: MAX_BUILDING, maxBytes: MAX_KEPT_BYTES, sizeOf: () => 0 });
  /** Trees that a request is making. A request that is cut off may leave its entry behind, until it expires. */
  const building = createBoundedMap<true>({ maxEntries: MAX_BUILDING, maxBytes: MAX_KEPT_BYTES, sizeOf: () => 0 });
  const openCache = async () => (edgeCache ? await caches.open(CACHE_NAME) : null);
  const urlOf = (hash: string) => cacheUrl('file-trees', `${TREE_FORMAT}/${encodeURIComponent(hash)}`);

  async function fromCache(hash: string): Promise<FileTree | null> {
    const response = await (await openCache())?.match(urlOf(hash));
    return response === undefined ? null : readTree(await response.arrayBuffer());
  }
  async function toCache(hash: string, tree: FileTree): Promise<void> {
    const headers = { 'Cache-Control': CACHE_CONTROL, 'Content-Type': 'application/octet-stream' };
    await (await openCache())?.put(urlOf(hash), new Response(tree.buffer, { headers }));
  }
  const privateKey = ({ uuid, modifiedAt, portableDataHash }: TreeSource, token: string) =>
    cacheKey(portableDataHash, uuid ?? '', modifiedAt ?? '', token);
  async function make(collection: TreeSource, token: string): Promise<FileTree> {
    const hash = collection.portableDataHash;
    // A failing cache is no reason to fail the request.
    const cached = await fromCache(hash).catch(() => null);
    if (cached !== null) return keep(hash, cached);
    const { tree, shareable, expiresAt } = await buildAlone(await collection.manifest());
    // Blocks signed for one token: kept for that token, in this isolate only. Another collection may have the same hash
    // and other signatures.
    if (!shareable) {
      const until = Math.max(expiresAt - EXPIRY_MARGIN_MS, Date.now() + MIN_LIFE_MS);
      return keep(await privateKey(collection, token), tree, until);
    }
    waitUntil(toCache(hash, tree).catch(() => undefined));
    return keep(hash, tree);
  }

  const trees: FileTrees = {
    async treeOf(collection, token) {
      const shared = kept.get(collection.portableDataHash);
      if (shared !== undefined) return shared;
      const key = await privateKey(collection, token);
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
    async renewed(collection, token, stale) {
      const key = await privateKey(collection, token);
      const newer = kept.get(key);
      if (newer !== undefined && newer !== stale) return newer;
      if (renewals.get(key) === true) return null;
      kept.delete(key);
      const started = Date.now();
      const fresh = await trees.treeOf(collection, token);
      const pauseMs = Math.max(MIN_RENEWAL_PAUSE_MS, RENEWAL_PAUSE_FACTOR * (Date.now() - started));
      renewals.set(key, true, Date.now() + pauseMs);
      return fresh;
    },
  };
  return trees;
}
