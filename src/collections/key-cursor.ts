import { compareBytes } from '../keep/manifest/names.ts';
import { type FileTree, isDirectory, ROOT_NODE } from './file-tree.ts';

const SLASH = 0x2f;
const INITIAL_PATH_BYTES = 1024;

/** What stands at one key. */
export interface AtKey {
  node: number;
  /** Path of a file, or of an empty directory with a slash behind it; good until the next call. */
  key: Uint8Array;
}

/** A directory that is being gone through. */
interface Frame {
  /** The next entry in the order of names, and the one after the last. */
  at: number;
  end: number;
  /** Directories whose turn comes later: the one that is next is the last. */
  waiting: number[];
  /** Bytes of the path up to and with this directory's slash. */
  pathLength: number;
}

/**
 * Goes through the files and empty directories of a tree in the order of their keys' bytes, from any place on. Entries
 * of a directory lie in the order of their names, which differs where one name begins another: `a-b` and `a.txt` come
 * after the directory `a` by name, but before `a/` as keys. Such a directory waits until what comes before it is through.
 */
export class KeyCursor {
  readonly #tree: FileTree;
  #frames: Frame[] = [];
  #path = new Uint8Array(INITIAL_PATH_BYTES);

  constructor(tree: FileTree) {
    this.#tree = tree;
    this.seek(new Uint8Array());
  }

  /** Next comes the first key that is `bound` or behind it. The cost depends on the depth, not on what is before. */
  seek(bound: Uint8Array): void {
    this.#frames = [];
    let directory = ROOT_NODE;
    let rest = bound;
    for (let pathLength = 0; ; ) {
      const slash = rest.indexOf(SLASH);
      const name = slash < 0 ? rest : rest.subarray(0, slash);
      const first = this.#tree.firsts[directory] ?? 0;
      const end = first + (this.#tree.counts[directory] ?? 0);
      const waiting = this.#prefixesThatWait(first, end, name);
      const at = this.#firstFrom(first, end, slash < 0 ? name : rest.subarray(0, slash + 1));
      this.#frames.push({ at, end, waiting, pathLength });
      if (slash < 0) return;
      const found = this.#entry(first, end, name);
      rest = rest.subarray(slash + 1);
      if (found === null || !isDirectory(this.#tree, found)) return;
      if (rest.length === 0) {
        waiting.push(found);
        return;
      }
      pathLength = this.#append(pathLength, found);
      directory = found;
    }
  }

  next(): AtKey | null {
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      const node = this.#take(frame);
      if (node === null) {
        this.#frames.pop();
        continue;
      }
      if (!isDirectory(this.#tree, node)) {
        const end = this.#append(frame.pathLength, node) - 1;
        return { node, key: this.#path.subarray(0, end) };
      }
      const pathLength = this.#append(frame.pathLength, node);
      const first = this.#tree.firsts[node] ?? 0;
      const count = this.#tree.counts[node] ?? 0;
      if (count === 0) return { node, key: this.#path.subarray(0, pathLength) };
      this.#frames.push({ at: first, end: first + count, waiting: [], pathLength });
    }
    return null;
  }

  /** The next entry of a directory in the order of keys; null at its end. */
  #take(frame: Frame): number | null {
    for (;;) {
      const waits = frame.waiting.at(-1);
      if (waits !== undefined && (frame.at >= frame.end || this.#isBefore(waits, frame.at))) {
        frame.waiting.pop();
        return waits;
      }
      if (frame.at >= frame.end) return null;
      const node = frame.at++;
      if (!isDirectory(this.#tree, node)) return node;
      frame.waiting.push(node);
    }
  }

  /** Whether all keys in a directory are before those of an entry whose name is behind its own. */
  #isBefore(directory: number, entry: number): boolean {
    const name = this.#name(directory);
    const other = this.#name(entry);
    for (let i = 0; i < name.length; i++) if (name[i] !== other[i]) return true;
    return SLASH < (other[name.length] ?? 0);
  }

  /** Directories that begin `name` and whose keys are behind it all the same: what follows them there is before a slash. */
  #prefixesThatWait(first: number, end: number, name: Uint8Array): number[] {
    const waiting: number[] = [];
    for (let length = 1; length < name.length; length++) {
      if ((name[length] ?? 0) >= SLASH) continue;
      const found = this.#entry(first, end, name.subarray(0, length));
      if (found !== null && isDirectory(this.#tree, found)) waiting.push(found);
    }
    return waiting;
  }

  #entry(first: number, end: number, name: Uint8Array): number | null {
    const at = this.#firstFrom(first, end, name);
    return at < end && compareBytes(this.#name(at), name) === 0 ? at : null;
  }

  /** The first entry from `first` on whose name is `bound` or behind it. */
  #firstFrom(first: number, end: number, bound: Uint8Array): number {
    let [low, high] = [first, end];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.#name(middle), bound) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #name(node: number): Uint8Array {
    return this.#tree.names.subarray(this.#tree.nameStarts[node], this.#tree.nameStarts[node + 1]);
  }

  /** Writes a node's name and a slash behind the path; returns where that ends. */
  #append(pathLength: number, node: number): number {
    const name = this.#name(node);
    const end = pathLength + name.length + 1;
    if (end > this.#path.length) {
      const larger = new Uint8Array(2 * end);
      larger.set(this.#path.subarray(0, pathLength));
      this.#path = larger;
    }
    this.#path.set(name, pathLength);
    this.#path[end - 1] = SLASH;
    return end;
  }
}
