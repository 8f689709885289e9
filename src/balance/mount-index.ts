import { KeepError } from '../keep/errors.ts';
import { type IndexEntry, indexBlocks } from '../storage/bucket-index.ts';
import type { Mount } from '../storage/mounts.ts';

/** One block as the mounts have it. */
export interface StoredBlock {
  hash: string;
  size: number;
  copies: { mount: Mount; mtime: number }[];
}

/** Ascending entries of one mount, of which the first not yet consumed can be looked at. */
interface Cursor {
  mount: Mount;
  pages: AsyncGenerator<IndexEntry[]>;
  page: IndexEntry[];
  at: number;
  last: string;
}

/**
 * The blocks of all mounts in hash order, from `from` (a hash, inclusive) on, in pages. Each device is listed once: mounts
 * that share one count as the first of them. A listing that fails makes this fail: an index with holes would look like garbage or loss.
 * @throws KeepError corrupt when a listing is out of order
 */
export async function* storedBlocks(mounts: readonly Mount[], from: string): AsyncGenerator<StoredBlock[]> {
  const cursors = await Promise.all(
    mounts.map(async (mount): Promise<Cursor> => {
      const pages = indexBlocks(mount.store, mount.prefixLength, '', from);
      return forward({ mount, pages, page: [], at: 0, last: '' });
    }),
  );
  for (;;) {
    const blocks: StoredBlock[] = [];
    // Up to the end of the shortest page at hand: within it no cursor has to wait.
    while (cursors.every(({ page, at }) => page.length === 0 || at < page.length)) {
      const hash = least(cursors);
      if (hash === null) break;
      const block: StoredBlock = { hash, size: 0, copies: [] };
      for (const cursor of cursors) {
        const entry = cursor.page[cursor.at];
        if (entry?.hash !== hash) continue;
        block.copies.push({ mount: cursor.mount, mtime: entry.mtime });
        block.size = Math.max(block.size, entry.size);
        cursor.at++;
      }
      blocks.push(block);
    }
    if (blocks.length > 0) yield blocks;
    const used = cursors.filter(({ page, at }) => page.length > 0 && at >= page.length);
    if (used.length === 0) return;
    await Promise.all(used.map(forward));
  }
}

/** Mounts by device, the first of each. */
export function devicesOf(mounts: readonly Mount[]): Mount[] {
  return [...new Map([...mounts].reverse().map((mount) => [mount.deviceId, mount])).values()].reverse();
}

async function forward(cursor: Cursor): Promise<Cursor> {
  const { value, done } = await cursor.pages.next();
  cursor.page = done === true ? [] : value;
  cursor.at = 0;
  const [first] = cursor.page;
  if (first !== undefined && first.hash < cursor.last)
    throw new KeepError('corrupt', { message: `the index of ${cursor.mount.uuid} is out of order` });
  cursor.last = cursor.page.at(-1)?.hash ?? cursor.last;
  return cursor;
}

function least(cursors: Cursor[]): string | null {
  let hash: string | null = null;
  for (const { page, at } of cursors) {
    const entry = page[at];
    if (entry !== undefined && (hash === null || entry.hash < hash)) hash = entry.hash;
  }
  return hash;
}
