import { waitUntil } from 'cloudflare:workers';
import { cacheUrl } from '../../blocks/cache-keys.ts';
import { type FileTree, nodeSize } from '../../collections/file-tree.ts';

/**
 * Known CRC-32s of a collection's files and whole blocks. They depend on content only and never become wrong; they
 * save reading the data again when an archive is resumed or repeated.
 */
export interface ChecksumBook {
  file(node: number): number | null;
  block(block: number): number | null;
  /** @param isInRow it was read together with its neighbours */
  noteFile(node: number, crc: number, isInRow?: boolean): void;
  noteBlock(block: number, crc: number): void;
  /** Stores what is new in the cache of this data centre, if it is much. */
  save(): Promise<void>;
}

const CACHE_NAME = 'keep-checksums';
const CACHE_CONTROL = 'public, max-age=31536000, immutable';
const FORMAT = 1;
/** Checksums of fewer bytes are not worth a write of the cache: computing them again takes a few milliseconds. */
const MIN_SAVED_BYTES = 8 * 1024 * 1024;
/** A read of the store counts as so many bytes. */
const READ_BYTES = 64 * 1024;
const books = new WeakMap<FileTree, ChecksumBook>();

/** The book of a tree. @param edgeCache whether it is also kept by the Cache API */
export async function checksumBook(
  tree: FileTree,
  portableDataHash: string,
  edgeCache: boolean,
): Promise<ChecksumBook> {
  const open = books.get(tree);
  if (open !== undefined) return open;
  const openCache = async () => (edgeCache ? await caches.open(CACHE_NAME) : null);
  const url = cacheUrl('checksums', `${FORMAT}/${encodeURIComponent(portableDataHash)}`);
  const load = async () => (await (await openCache())?.match(url))?.arrayBuffer() ?? null;
  // A failing cache is no reason to fail: checksums can be computed again.
  const book = createBook(tree, await load().catch(() => null), async (bytes) => {
    const headers = { 'Cache-Control': CACHE_CONTROL, 'Content-Type': 'application/octet-stream' };
    const cache = await openCache().catch(() => null);
    await cache?.put(url, new Response(bytes, { headers })).catch(() => undefined);
  });
  books.set(tree, book);
  return book;
}

/** @param kept what an earlier book saved; anything else is left aside */
export function createBook(
  tree: FileTree,
  kept: ArrayBuffer | null,
  save: (bytes: ArrayBuffer) => Promise<void>,
): ChecksumBook {
  const items = tree.nodeCount + tree.blockCount;
  const length = items * 5;
  const bytes = kept !== null && kept.byteLength === length ? kept : new ArrayBuffer(length);
  const values = new DataView(bytes, 0, items * 4);
  const known = new Uint8Array(bytes, items * 4);
  /** Bytes whose checksums are new, and what reading them costs. */
  let unsaved = 0;
  const get = (item: number) => (known[item] === 1 ? values.getUint32(item * 4) : null);
  const note = (item: number, crc: number, size: number) => {
    if (known[item] === 1) return;
    values.setUint32(item * 4, crc);
    known[item] = 1;
    unsaved += size;
  };
  return {
    file: get,
    block: (block) => get(tree.nodeCount + block),
    noteFile: (node, crc, isInRow = false) => note(node, crc, Math.max(nodeSize(tree, node), isInRow ? 0 : READ_BYTES)),
    noteBlock: (block, crc) =>
      note(tree.nodeCount + block, crc, (tree.blockStarts[block + 1] ?? 0) - (tree.blockStarts[block] ?? 0)),
    async save() {
      if (unsaved < MIN_SAVED_BYTES) return;
      unsaved = 0;
      await save(bytes);
    },
  };
}

/** Saves a book once `done` has settled, however it did. */
export function saveWhenDone(book: ChecksumBook, done: Promise<void>): void {
  waitUntil(done.catch(() => undefined).then(() => book.save()));
}
