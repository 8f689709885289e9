import { KeepError } from '../keep/errors.ts';
import { compareNames, nameBytes } from '../keep/manifest/names.ts';
import { type ManifestHandler, parseManifest } from '../keep/manifest/parse.ts';
import { createPlaceFinder, type FilePath, type Place } from '../keep/manifest/places.ts';
import { READ_RULES } from '../keep/manifest/rules.ts';
import { sortInTurns, takeTurns } from '../streams/turns.ts';
import type { FileTree } from './file-tree.ts';
import { allocateTree } from './file-tree-format.ts';

const MAX_EXTENT_BYTES = 0xffffffff;
/** Some milliseconds of parsing. */
const CHUNK_BYTES = 64 * 1024;
const CHUNKS_PER_TURN = 4;
const NODES_PER_TURN = 10_000;
const REMOTE_HINT = /\+R/;
const REMOTE_EXPIRY = /\+R[^+]*@([0-9a-f]{1,8})(?=\+|$)/g;
/** keep-web refuses the whole collection for one locator without a size; here only data that a file uses needs one. */
const RULES = { ...READ_RULES, sizeRequired: false };

/** A directory while the tree grows: its files by number, its directories as themselves. */
type Directory = Map<string, Directory | number>;

export interface BuiltTree {
  tree: FileTree;
  /**
   * False when blocks lie on other clusters: their hints are signed for the one token that the manifest was read with,
   * so the tree is for that token only.
   */
  shareable: boolean;
  /** When the first of those signatures expires, in Unix milliseconds; infinite without any. */
  expiresAt: number;
}

/**
 * Parses a manifest into a tree, holding neither the text nor more than a few bytes a segment. Where a path is a file
 * and a directory at once, the directory is what is found.
 *
 * @param isWanted leaves files out
 * @throws KeepError `unreadable_manifest`
 */
export async function buildFileTree(
  manifest: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  isWanted: (path: FilePath) => boolean = () => true,
): Promise<BuiltTree> {
  const blocks = createBlocks();
  const files = createFiles();
  const handler: ManifestHandler = {
    stream: () => blocks.beginLine(),
    block: (locator, size) => blocks.add(locator, size ?? 0),
    segment: (path, position, length) => {
      if (isWanted(path)) files.add(path, blocks.lineStart() + position, length);
    },
    directory: (place) => files.addDirectory(place),
  };
  await parseManifest(inTurns(manifest), handler, RULES);
  const remote = blocks.hints.filter((hint) => REMOTE_HINT.test(hint));
  return { tree: await assemble(blocks, files), shareable: remote.length === 0, expiresAt: earliestExpiry(remote) };
}

/** The same bytes in short chunks, with turns for other requests between them. */
async function* inTurns(manifest: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const turn = takeTurns(CHUNKS_PER_TURN);
  for await (const chunk of manifest) {
    for (let from = 0; from < chunk.byteLength; from += CHUNK_BYTES) {
      yield chunk.subarray(from, from + CHUNK_BYTES);
      const wait = turn();
      if (wait !== undefined) await wait;
    }
  }
}

function earliestExpiry(hints: string[]): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (const hint of hints) {
    for (const [, expiry = ''] of hint.matchAll(REMOTE_EXPIRY)) {
      earliest = Math.min(earliest, Number.parseInt(expiry, 16) * 1000);
    }
  }
  return earliest;
}

function createBlocks() {
  const ends = column(Float64Array);
  const hashes = column(Uint32Array);
  const hintIndex = column(Uint32Array);
  const hints: string[] = [];
  const hintPlaces = new Map<string, number>();
  let lineStart = 0;
  let total = 0;
  const placeOf = (hint: string): number => {
    if (hint === '') return 0;
    const place = hintPlaces.get(hint) ?? hints.push(hint);
    hintPlaces.set(hint, place);
    return place;
  };
  return {
    ends,
    hashes,
    hintIndex,
    hints,
    lineStart: () => lineStart,
    beginLine() {
      lineStart = total;
    },
    add(locator: string, size: number) {
      // An empty block adds nothing to any file, but a file over many of them would have to step over each.
      if (size === 0) return;
      total += size;
      if (!Number.isSafeInteger(total)) {
        throw new KeepError('unreadable_manifest', { message: 'the collection is larger than 2^53 bytes' });
      }
      ends.push(total);
      // Big-endian words: written to the tree byte by byte, they read as the name does.
      for (let i = 0; i < 32; i += 8) hashes.push(Number.parseInt(locator.slice(i, i + 8), 16));
      hintIndex.push(placeOf(keptHints(locator)));
    },
  };
}

/** The hints of a locator without the local signature, which belongs to one token. */
function keptHints(locator: string): string {
  const first = locator.indexOf('+', 33);
  return first < 0 ? '' : locator.slice(first).replace(/\+A[^+]*/g, '');
}

function createFiles() {
  const root: Directory = new Map();
  const extentFiles = column(Uint32Array);
  const extentStarts = column(Float64Array);
  const extentLengths = column(Uint32Array);
  let count = 0;
  let lastPath: FilePath | null = null;
  let lastFile = 0;
  const directoryOf = createPlaceFinder<Directory>(root, (parent, { name }) => {
    const known = parent.get(name);
    if (known instanceof Map) return known;
    const made: Directory = new Map();
    parent.set(name, made);
    return made;
  });
  /** The number of the file; one that nothing refers to where there is a directory of that name. */
  const numberOf = ({ directory, name }: FilePath): number => {
    const entries = directoryOf(directory);
    const known = entries.get(name);
    if (typeof known === 'number') return known;
    const number = count++;
    if (known === undefined) entries.set(name, number);
    return number;
  };
  return {
    root,
    extentFiles,
    extentStarts,
    extentLengths,
    fileCount: () => count,
    addDirectory: (place: Place) => void directoryOf(place),
    add(path: FilePath, start: number, length: number) {
      const file: number = path === lastPath ? lastFile : numberOf(path);
      const previous = extentStarts.length() - 1;
      const continues =
        previous >= 0 &&
        extentFiles.at(previous) === file &&
        extentStarts.at(previous) + extentLengths.at(previous) === start;
      lastPath = path;
      lastFile = file;
      let from = start;
      let left = length;
      if (continues) {
        const grown = Math.min(left, MAX_EXTENT_BYTES - extentLengths.at(previous));
        extentLengths.set(previous, extentLengths.at(previous) + grown);
        from += grown;
        left -= grown;
      }
      while (left > 0) {
        const chunk = Math.min(left, MAX_EXTENT_BYTES);
        extentFiles.push(file);
        extentStarts.push(from);
        extentLengths.push(chunk);
        from += chunk;
        left -= chunk;
      }
    },
  };
}

async function assemble(
  blocks: ReturnType<typeof createBlocks>,
  files: ReturnType<typeof createFiles>,
): Promise<FileTree> {
  const turn = takeTurns(NODES_PER_TURN);
  const nodes = await breadthFirst(files.root);
  const count = nodes.parents.length();
  const hintText = new TextEncoder().encode(blocks.hints.join('\n'));
  const extents = files.extentStarts.length();
  const { tree, hintText: hintRoom } = allocateTree({
    nodes: count,
    nameBytes: nodes.names.values().byteLength,
    extents,
    blocks: blocks.ends.length(),
    hintBytes: hintText.byteLength,
  });
  hintRoom.set(hintText);
  tree.hints = blocks.hints;
  tree.blockStarts.set(blocks.ends.values(), 1);
  tree.hintIndex.set(blocks.hintIndex.values());
  const hashView = new DataView(tree.hashes.buffer, tree.hashes.byteOffset, tree.hashes.byteLength);
  blocks.hashes.values().forEach((word, i) => {
    hashView.setUint32(i * 4, word);
  });
  tree.names.set(nodes.names.values());
  tree.nameStarts.set(nodes.nameEnds.values(), 1);
  tree.parents.set(nodes.parents.values());

  const places = placeExtents(tree, files);
  for (let i = 0; i < count; i++) {
    const wait = turn();
    if (wait !== undefined) await wait;
    const file = nodes.files.at(i);
    if (file > 0) {
      tree.firsts[i] = places.firsts[file - 1] ?? 0;
      tree.counts[i] = places.counts[file - 1] ?? 0;
      tree.sizes[i] = places.sizes[file - 1] ?? 0;
      tree.fileCounts[i] = 1;
    } else {
      tree.kinds[i] = 1;
      tree.firsts[i] = nodes.firsts.at(i);
      tree.counts[i] = nodes.counts.at(i);
    }
  }
  // Entries come after their directory, so that going backwards every sum is complete before it is handed up.
  for (let i = count - 1; i > 0; i--) {
    const parent = tree.parents[i] ?? 0;
    tree.sizes[parent] = (tree.sizes[parent] ?? 0) + (tree.sizes[i] ?? 0);
    tree.fileCounts[parent] = (tree.fileCounts[parent] ?? 0) + (tree.fileCounts[i] ?? 0);
  }
  return tree;
}

/** All nodes, as columns: there may be a million. Directories are let go of as they are gone through. */
async function breadthFirst(root: Directory) {
  const turn = takeTurns(NODES_PER_TURN);
  const parents = column(Uint32Array);
  /** Number of a file, from 1; 0 for a directory. */
  const files = column(Uint32Array);
  /** Of directories: the first entry, and how many. */
  const firsts = column(Uint32Array);
  const counts = column(Uint32Array);
  const nameEnds = column(Uint32Array);
  const names = column(Uint8Array);
  /** Directories that were met, by their nodes. */
  let waiting: [node: number, directory: Directory][] = [];
  const add = (parent: number, name: string, value: Directory | number) => {
    if (typeof value !== 'number') waiting.push([parents.length(), value]);
    parents.push(parent);
    files.push(typeof value === 'number' ? value + 1 : 0);
    firsts.push(0);
    counts.push(0);
    names.append(nameBytes(name));
    nameEnds.push(names.length());
  };
  add(0, '', root);
  while (waiting.length > 0) {
    const level = waiting;
    waiting = [];
    for (const [node, directory] of level) {
      firsts.set(node, parents.length());
      counts.set(node, directory.size);
      for (const name of await sortInTurns([...directory.keys()], compareNames)) {
        add(node, name, directory.get(name) ?? 0);
        const wait = turn();
        if (wait !== undefined) await wait;
      }
      directory.clear();
    }
  }
  return { parents, files, firsts, counts, nameEnds, names };
}

/** Extents came in the manifest's order; in the tree those of one file lie together. */
function placeExtents(tree: FileTree, files: ReturnType<typeof createFiles>) {
  const owners = files.extentFiles.values();
  const starts = files.extentStarts.values();
  const lengths = files.extentLengths.values();
  const counts = new Uint32Array(files.fileCount());
  const sizes = new Float64Array(files.fileCount());
  owners.forEach((owner, i) => {
    counts[owner] = (counts[owner] ?? 0) + 1;
    sizes[owner] = (sizes[owner] ?? 0) + (lengths[i] ?? 0);
  });
  const firsts = new Uint32Array(files.fileCount());
  let sum = 0;
  counts.forEach((count, i) => {
    firsts[i] = sum;
    sum += count;
  });
  const next = firsts.slice();
  owners.forEach((owner, i) => {
    const place = next[owner] ?? 0;
    next[owner] = place + 1;
    tree.extentStarts[place] = starts[i] ?? 0;
    tree.extentLengths[place] = lengths[i] ?? 0;
  });
  return { firsts, counts, sizes };
}

/** A typed array that grows. */
function column<T extends Uint8Array | Uint32Array | Float64Array>(Type: new (length: number) => T) {
  let items = new Type(1024);
  let length = 0;
  const reserve = (more: number) => {
    if (length + more <= items.length) return;
    const larger = new Type(Math.max(length + more, length * 2));
    larger.set(items);
    items = larger;
  };
  return {
    length: () => length,
    at: (i: number) => items[i] ?? 0,
    set(i: number, value: number) {
      items[i] = value;
    },
    push(value: number) {
      reserve(1);
      items[length++] = value;
    },
    append(values: ArrayLike<number>) {
      reserve(values.length);
      items.set(values, length);
      length += values.length;
    },
    values: () => items.subarray(0, length) as T,
  };
}
