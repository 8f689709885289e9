import { type FileTree, ROOT_NODE } from '../../collections/file-tree.ts';
import { KeepError } from '../../keep/errors.ts';
import { takeTurns } from '../../streams/turns.ts';

/** The format's own limit for one name. */
const MAX_NAME_BYTES = 0xffff;
/** Of all paths together, which an archive holds twice. */
const MAX_NAMES_BYTES = 64 * 1024 * 1024;
const FILES_PER_TURN = 20_000;
const SLASH = 0x2f;
const BACKSLASH = 0x5c;
/** A backslash is a slash to Windows: names with one could lead out of the directory that an archive is unpacked to. */
const ESCAPED_BACKSLASH = new TextEncoder().encode('%5C');

/** Paths of files in an archive, as bytes that are made when they are needed. */
export interface ArchiveNames {
  lengthOf(node: number): number;
  bytesOf(node: number): Uint8Array;
}

/** @param above the directory that paths start from */
export function archiveNames(tree: FileTree, above: number): ArchiveNames {
  /** Bytes of the paths of directories that were met, their slash included. */
  const directories = new Map<number, number>([[above, 0]]);
  const hasBackslashes = tree.names.includes(BACKSLASH);

  function nameOf(node: number): Uint8Array {
    const name = tree.names.subarray(tree.nameStarts[node], tree.nameStarts[node + 1]);
    return hasBackslashes && name.includes(BACKSLASH) ? escaped(name) : name;
  }
  function lengthOfName(node: number): number {
    return hasBackslashes ? nameOf(node).byteLength : (tree.nameStarts[node + 1] ?? 0) - (tree.nameStarts[node] ?? 0);
  }
  function lengthOfDirectory(directory: number): number {
    const missing: number[] = [];
    for (let at = directory; !directories.has(at); at = tree.parents[at] ?? ROOT_NODE) missing.push(at);
    for (const at of missing.reverse()) {
      const parent = directories.get(tree.parents[at] ?? ROOT_NODE) ?? 0;
      directories.set(at, at === ROOT_NODE ? 0 : parent + lengthOfName(at) + 1);
    }
    return directories.get(directory) ?? 0;
  }
  const lengthOf = (node: number) => lengthOfDirectory(tree.parents[node] ?? ROOT_NODE) + lengthOfName(node);
  return {
    lengthOf,
    bytesOf(node) {
      const bytes = new Uint8Array(lengthOf(node));
      let end = bytes.byteLength;
      for (let at = node; end > 0; at = tree.parents[at] ?? ROOT_NODE) {
        const name = nameOf(at);
        end -= name.byteLength;
        bytes.set(name, end);
        if (end > 0) bytes[--end] = SLASH;
      }
      return bytes;
    },
  };
}

function escaped(name: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (const byte of name) out.push(...(byte === BACKSLASH ? ESCAPED_BACKSLASH : [byte]));
  return Uint8Array.from(out);
}

/** @throws KeepError bad_request at the first path that is too long: few files can have gigabytes of paths */
export async function checkNames(names: ArchiveNames, nodes: ArrayLike<number>): Promise<void> {
  const turn = takeTurns(FILES_PER_TURN);
  let bytes = 0;
  for (let i = 0; i < nodes.length; i++) {
    const length = names.lengthOf(nodes[i] ?? 0);
    bytes += length;
    if (length > MAX_NAME_BYTES)
      throw new KeepError('bad_request', { message: `a ZIP archive cannot hold paths over ${MAX_NAME_BYTES} bytes` });
    if (bytes > MAX_NAMES_BYTES)
      throw new KeepError('bad_request', {
        message: 'these paths are too long for one ZIP archive: choose fewer files',
      });
    const wait = turn();
    if (wait !== undefined) await wait;
  }
}
