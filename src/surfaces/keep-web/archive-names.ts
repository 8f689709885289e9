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

/** Paths of files in an archive, as bytes that are written where they are needed. */
export interface ArchiveNames {
  lengthOf(node: number): number;
  /** Writes the path of a node from `at` on. */
  put(node: number, target: Uint8Array, at: number): void;
}

/** @param above the directory that paths start from */
export function archiveNames(tree: FileTree, above: number): ArchiveNames {
  /** Bytes of the paths of directories that were met, their slash included, and one more: 0 is for the others. */
  const directories = new Uint32Array(tree.nodeCount);
  directories[above] = 1;
  /** Files of one directory come one after another. */
  let last = { directory: above, length: 0 };
  const hasBackslashes = tree.names.includes(BACKSLASH);

  const isPlain = (from: number, to: number) => !hasBackslashes || !tree.names.subarray(from, to).includes(BACKSLASH);
  function lengthOfName(node: number): number {
    const from = tree.nameStarts[node] ?? 0;
    const to = tree.nameStarts[node + 1] ?? 0;
    return isPlain(from, to) ? to - from : escaped(tree.names.subarray(from, to)).byteLength;
  }
  function lengthOfDirectory(directory: number): number {
    if (directory !== last.directory) last = { directory, length: findLength(directory) };
    return last.length;
  }
  function findLength(directory: number): number {
    const missing: number[] = [];
    for (let at = directory; directories[at] === 0; at = tree.parents[at] ?? ROOT_NODE) missing.push(at);
    for (const at of missing.reverse())
      directories[at] = (directories[tree.parents[at] ?? ROOT_NODE] ?? 0) + lengthOfName(at) + 1;
    return (directories[directory] ?? 1) - 1;
  }
  const lengthOf = (node: number) => lengthOfDirectory(tree.parents[node] ?? ROOT_NODE) + lengthOfName(node);
  return {
    lengthOf,
    put(node, target, at) {
      let end = at + lengthOf(node);
      for (let component = node; end > at; component = tree.parents[component] ?? ROOT_NODE) {
        if (component !== node) target[--end] = SLASH;
        const from = tree.nameStarts[component] ?? 0;
        const to = tree.nameStarts[component + 1] ?? 0;
        if (isPlain(from, to)) end = putBefore(target, end, tree.names, from, to);
        else end = putEscaped(target, end, tree.names.subarray(from, to));
      }
    },
  };
}

/** Copies a range so that it ends before `end`; most names are too short for a call of native code. @returns where it begins */
function putBefore(target: Uint8Array, end: number, bytes: Uint8Array, from: number, to: number): number {
  let start = end;
  for (let i = to; i > from; ) target[--start] = bytes[--i] ?? 0;
  return start;
}

function putEscaped(target: Uint8Array, end: number, name: Uint8Array): number {
  const bytes = escaped(name);
  return putBefore(target, end, bytes, 0, bytes.byteLength);
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
