import { md5 } from '@noble/hashes/legacy.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { takeTurns } from '../streams/turns.ts';
import { blockAt, type FileTree, fileExtents } from './file-tree.ts';
import { addBetween, addHash, addNumber, type Lanes, noLanes } from './rolling-digest.ts';

const HASH_BYTES = 16;
/** Stands before the offset and length of a part of a block. */
const PART_MARK = 1;
/** Prefixes are kept for every such number of blocks. */
const PREFIX_STEP = 32;
/** Extents digested before other requests get a turn: some milliseconds of work. */
const EXTENTS_PER_TURN = 1000;
const BLOCKS_PER_TURN = 20_000;
/** Enough for the files of one genome browser session. */
const MAX_KNOWN = 1000;

const etags = new WeakMap<FileTree, Map<number, string>>();
const prefixes = new WeakMap<FileTree, Lanes[]>();

/**
 * A file's strong validator: a digest of which bytes of which blocks it is. The same content cut up the same way has
 * the same ETag at every address and for every token.
 */
export async function fileEtag(tree: FileTree, file: number): Promise<string> {
  const known = etags.get(tree) ?? new Map<number, string>();
  etags.set(tree, known);
  const found = known.get(file);
  if (found !== undefined) return found;
  const digest = new EtagDigest();
  const turn = takeTurns(EXTENTS_PER_TURN);
  for (const { start, length } of fileExtents(tree, file)) {
    await addExtent(digest, tree, start, start + length);
    const wait = turn();
    if (wait !== undefined) await wait;
  }
  const etag = digest.etag();
  if (known.size < MAX_KNOWN) known.set(file, etag);
  return etag;
}

/** The ETag that a file of these ranges will have. */
export function etagOfRanges(ranges: readonly { locator: string; offset: number; length: number }[]): string {
  const digest = new EtagDigest();
  for (const { locator, offset, length } of ranges) {
    const size = Number(locator.split('+')[1]);
    if (length > 0) digest.add({ hash: hexToBytes(locator.slice(0, 2 * HASH_BYTES)), size, offset, length });
  }
  return digest.etag();
}

async function addExtent(digest: EtagDigest, tree: FileTree, start: number, end: number): Promise<void> {
  const startOf = (block: number) => tree.blockStarts[block] ?? 0;
  const addUpTo = (block: number, from: number, to: number) =>
    digest.add({
      hash: tree.hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES),
      size: startOf(block + 1) - startOf(block),
      offset: from - startOf(block),
      length: to - from,
    });
  const first = blockAt(tree, start);
  const last = blockAt(tree, end - 1);
  // Blocks that are whole for certain.
  const [from, to] = [first + 1, last];
  addUpTo(first, start, Math.min(end, startOf(first + 1)));
  if (to - from > 2 * PREFIX_STEP) {
    digest.addWhole(await prefixAt(tree, from), await prefixAt(tree, to), to - from, startOf(to) - startOf(from));
  } else {
    for (let block = from; block < to; block++) addUpTo(block, startOf(block), startOf(block + 1));
  }
  if (last > first) addUpTo(last, startOf(last), end);
}

/** The digest of all blocks before `block`. */
async function prefixAt(tree: FileTree, block: number): Promise<Lanes> {
  const all = prefixes.get(tree) ?? (await computePrefixes(tree));
  const step = Math.floor(block / PREFIX_STEP);
  const lanes = all[step]?.slice() ?? noLanes();
  for (let at = step * PREFIX_STEP; at < block; at++) addHash(lanes, tree.hashes, at * HASH_BYTES);
  return lanes;
}

async function computePrefixes(tree: FileTree): Promise<Lanes[]> {
  const all: Lanes[] = [];
  const lanes = noLanes();
  const turn = takeTurns(BLOCKS_PER_TURN);
  for (let block = 0; block <= tree.blockCount; block++) {
    if (block % PREFIX_STEP === 0) all.push(lanes.slice());
    if (block < tree.blockCount) addHash(lanes, tree.hashes, block * HASH_BYTES);
    const wait = turn();
    if (wait !== undefined) await wait;
  }
  prefixes.set(tree, all);
  return all;
}

/** A range of a block. */
interface Range {
  hash: Uint8Array;
  /** Bytes of the whole block. */
  size: number;
  offset: number;
  length: number;
}

/** Neighbouring ranges of one block count as one: how a manifest writes them down makes no difference. */
class EtagDigest {
  readonly #lanes = noLanes();
  #items = 0;
  #bytes = 0;
  #pending: Range | null = null;

  add(range: Range): void {
    const before = this.#pending;
    if (before !== null && range.offset === before.offset + before.length && isSame(before.hash, range.hash)) {
      before.length += range.length;
      return;
    }
    this.#flush();
    this.#pending = { ...range };
  }

  /** Whole blocks, as many as `after` has more than `before`. */
  addWhole(before: Lanes, after: Lanes, blocks: number, bytes: number): void {
    this.#flush();
    addBetween(this.#lanes, before, after, blocks);
    this.#items += blocks;
    this.#bytes += bytes;
  }

  etag(): string {
    this.#flush();
    const state = Float64Array.of(...this.#lanes, this.#items, this.#bytes);
    return `"${bytesToHex(md5(new Uint8Array(state.buffer)))}"`;
  }

  #flush(): void {
    if (this.#pending === null) return;
    const { hash, size, offset, length } = this.#pending;
    this.#pending = null;
    addHash(this.#lanes, hash, 0);
    this.#items++;
    this.#bytes += length;
    if (offset === 0 && length === size) return;
    for (const value of [PART_MARK, offset, length]) addNumber(this.#lanes, value);
    this.#items += 3;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < HASH_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}
