import { bytesToHex } from '@noble/hashes/utils.js';
import { compareNames, decodeName } from '../keep/manifest/names.ts';

/**
 * The files of one collection in one ArrayBuffer: what is kept of a parsed manifest. It is content only, the same for
 * every reader of the collection: no signatures, no tokens. Nodes are numbered breadth
 * first, so the entries of a directory lie side by side, ordered by the bytes of their names; node 0 is the root.
 *
 * All blocks of all lines lie one after another on one axis of positions. A file is a row of extents on that axis.
 */
export interface FileTree {
  buffer: ArrayBuffer;
  nodeCount: number;
  blockCount: number;
  /** nodeCount + 1 places in `names`. */
  nameStarts: Uint32Array;
  names: Uint8Array;
  parents: Uint32Array;
  /** Of a directory: its first entry. Of a file: its first extent. */
  firsts: Uint32Array;
  counts: Uint32Array;
  /** 1: a directory. */
  kinds: Uint8Array;
  /** Bytes of a file, or of all files below a directory. */
  sizes: Float64Array;
  /** 1 for a file; for a directory, the files below it. */
  fileCounts: Uint32Array;
  extentStarts: Float64Array;
  extentLengths: Uint32Array;
  /** blockCount + 1 positions. */
  blockStarts: Float64Array;
  /** 16 bytes a block. */
  hashes: Uint8Array;
  /** 1-based places in `hints`; 0 means a locator of hash and size only. */
  hintIndex: Uint32Array;
  hints: string[];
}

/** `length` bytes from `offset` of one block. */
export interface BlockSegment {
  /** The block's number in the tree. */
  block: number;
  /** Bytes of the whole block. */
  blockSize: number;
  offset: number;
  length: number;
}

/** Node of the collection's own directory. */
export const ROOT_NODE = 0;

/** Node of `path` (`a/b/c`, '' is `top` itself), or null. No component is special: `..` is a name that nothing has. */
export function findNode(tree: FileTree, path: string, top: number = ROOT_NODE): number | null {
  let node = top;
  if (path === '') return node;
  for (const name of path.split('/')) {
    const next = isDirectory(tree, node) ? findEntry(tree, node, name) : null;
    if (next === null) return null;
    node = next;
  }
  return node;
}

function findEntry(tree: FileTree, directory: number, name: string): number | null {
  let low = tree.firsts[directory] ?? 0;
  let high = low + (tree.counts[directory] ?? 0) - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const order = compareNames(nodeName(tree, middle), name);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return null;
}

export function isDirectory(tree: FileTree, node: number): boolean {
  return tree.kinds[node] === 1;
}

/** Last component of a node's path; '' for the root. */
export function nodeName(tree: FileTree, node: number): string {
  return decodeName(tree.names.subarray(tree.nameStarts[node], tree.nameStarts[node + 1]));
}

/** Path of a node below `ancestor`, which is above it: `b/c`. */
export function nodePath(tree: FileTree, node: number, ancestor: number = ROOT_NODE): string {
  const names: string[] = [];
  for (let at = node; at !== ancestor && at !== ROOT_NODE; at = tree.parents[at] ?? ROOT_NODE) {
    names.push(nodeName(tree, at));
  }
  return names.reverse().join('/');
}

export function nodeSize(tree: FileTree, node: number): number {
  return tree.sizes[node] ?? 0;
}

/** Entries of a directory, ordered by the bytes of their names. */
export function* entriesOf(tree: FileTree, directory: number): Generator<number> {
  const first = tree.firsts[directory] ?? 0;
  for (let i = 0; i < (tree.counts[directory] ?? 0); i++) yield first + i;
}

/** All files at or below a node, each directory's files and directories in the order of their names. */
export function* filesBelow(tree: FileTree, node: number): Generator<number> {
  if (!isDirectory(tree, node)) {
    yield node;
    return;
  }
  // Not recursive: a manifest may be a hundred thousand directories deep, or have as many entries in one.
  const open = [entriesOf(tree, node)];
  for (let entries = open.at(-1); entries !== undefined; entries = open.at(-1)) {
    const next = entries.next();
    if (next.done === true) open.pop();
    else if (isDirectory(tree, next.value)) open.push(entriesOf(tree, next.value));
    else yield next.value;
  }
}

/** Contiguous bytes of a file on the axis of positions. */
export interface Extent {
  start: number;
  length: number;
}

/** A file's extents, those that continue each other joined. */
export function* fileExtents(tree: FileTree, file: number): Generator<Extent> {
  const first = tree.firsts[file] ?? 0;
  let joined: Extent | null = null;
  for (let i = first; i < first + (tree.counts[file] ?? 0); i++) {
    const start = tree.extentStarts[i] ?? 0;
    const length = tree.extentLengths[i] ?? 0;
    if (joined !== null && joined.start + joined.length === start) {
      joined.length += length;
    } else {
      if (joined !== null) yield joined;
      joined = { start, length };
    }
  }
  if (joined !== null) yield joined;
}

/** The blocks behind a range of a file, in order. `offset + length` must not exceed the file's size. */
export function* fileSegments(
  tree: FileTree,
  file: number,
  { offset, length }: { offset: number; length: number },
): Generator<BlockSegment> {
  const near = stepBefore(tree, file, offset);
  let skip = offset - near.offset;
  let left = length;
  for (let extent = near.extent; left > 0; extent++) {
    const extentLength = tree.extentLengths[extent] ?? 0;
    if (skip >= extentLength) {
      skip -= extentLength;
      continue;
    }
    const take = Math.min(extentLength - skip, left);
    yield* segmentsAt(tree, (tree.extentStarts[extent] ?? 0) + skip, take);
    skip = 0;
    left -= take;
  }
}

/** Of files of more extents, where every such number of them begins is kept: a range far behind need not go through all. */
const EXTENTS_PER_STEP = 1024;
const steps = new WeakMap<FileTree, Map<number, Float64Array>>();

/** An extent of a file that begins at an offset or not far before. */
function stepBefore(tree: FileTree, file: number, offset: number): { extent: number; offset: number } {
  const first = tree.firsts[file] ?? 0;
  const count = tree.counts[file] ?? 0;
  if (count <= EXTENTS_PER_STEP) return { extent: first, offset: 0 };
  const ofTree = steps.get(tree) ?? new Map<number, Float64Array>();
  steps.set(tree, ofTree);
  const starts = ofTree.get(file) ?? stepsOf(tree, first, count);
  ofTree.set(file, starts);
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { extent: first + low * EXTENTS_PER_STEP, offset: starts[low] ?? 0 };
}

function stepsOf({ extentLengths }: FileTree, first: number, count: number): Float64Array {
  const starts = new Float64Array(Math.ceil(count / EXTENTS_PER_STEP));
  let offset = 0;
  for (let i = 0; i < count; i++) {
    if (i % EXTENTS_PER_STEP === 0) starts[i / EXTENTS_PER_STEP] = offset;
    offset += extentLengths[first + i] ?? 0;
  }
  return starts;
}

/** The blocks behind `length` bytes from a position on the axis. */
export function* segmentsAt(tree: FileTree, position: number, length: number): Generator<BlockSegment> {
  const end = position + length;
  for (let block = blockAt(tree, position), at = position; at < end; block++) {
    const start = tree.blockStarts[block] ?? 0;
    const blockEnd = tree.blockStarts[block + 1] ?? end;
    const to = Math.min(end, blockEnd);
    if (to > at) yield { block, blockSize: blockEnd - start, offset: at - start, length: to - at };
    at = Math.max(at, to);
  }
}

/** The block that holds the byte at `position`: the last one that begins there or before. */
export function blockAt({ blockStarts, blockCount }: FileTree, position: number): number {
  let low = 0;
  let high = blockCount - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((blockStarts[middle] ?? 0) <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Lowercase hex MD5: the block's name. */
export function blockHash(tree: FileTree, block: number): string {
  return bytesToHex(tree.hashes.subarray(block * 16, block * 16 + 16));
}

/** Hints of a block's locator without size and local signature, joined as in the locator: `` or `+Rzzzzz-...`. */
export function blockHints(tree: FileTree, block: number): string {
  const index = tree.hintIndex[block] ?? 0;
  return index === 0 ? '' : (tree.hints[index - 1] ?? '');
}
