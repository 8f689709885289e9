import type { FileTree } from '../../collections/file-tree.ts';
import { KeyCursor } from '../../collections/key-cursor.ts';
import type { OpenCollection } from '../../collections/source.ts';
import { compareBytes } from '../../keep/manifest/names.ts';

/** What stands at a key, in the order of keys. */
export type KeyItem =
  | { kind: 'object'; key: Uint8Array; collection: OpenCollection; tree: FileTree; node: number; path: Uint8Array }
  /** A collection or project with keys below `key`, not opened: `enter` goes into it. */
  | { kind: 'container'; key: Uint8Array; enter: () => Promise<void> };

/** All keys of a bucket, from any place on. */
export interface KeySource {
  /** Next comes the first key that is `bound` or behind it. */
  seek(bound: Uint8Array): Promise<void>;
  next(): Promise<KeyItem | null>;
}

/** The keys of one collection. */
export function treeSource(collection: OpenCollection, tree: FileTree): KeySource {
  const cursor = new KeyCursor(tree);
  return {
    seek: (bound) => Promise.resolve(cursor.seek(bound)),
    next: () => {
      const at = cursor.next();
      if (at === null) return Promise.resolve(null);
      const key = at.key.slice();
      return Promise.resolve({ kind: 'object', key, path: key, collection, tree, node: at.node });
    },
  };
}

export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && compareBytes(bytes.subarray(0, prefix.length), prefix) === 0;
}
