import type { FileTree } from './file-tree.ts';

/**
 * Changes with the layout below, so that trees of an older release are not read. Those of format 1 were made of
 * manifests that had not been held against their portable data hash; those of format 2 held empty blocks.
 */
export const TREE_FORMAT = 3;

const MAGIC = 0x4b545245;
const HEADER_WORDS = 8;

/** How many of everything there is: decides where each column lies. */
export interface TreeCounts {
  nodes: number;
  nameBytes: number;
  extents: number;
  blocks: number;
  hintBytes: number;
}

/** A tree of zeros with room for `counts`. */
export function allocateTree(counts: TreeCounts): { tree: FileTree; hintText: Uint8Array } {
  const buffer = new ArrayBuffer(layOut(counts).byteLength);
  const header = new Uint32Array(buffer, 0, HEADER_WORDS);
  header.set([MAGIC, TREE_FORMAT, counts.nodes, counts.nameBytes, counts.extents, counts.blocks, counts.hintBytes]);
  return viewsOf(buffer, counts);
}

/** A tree over cached bytes of allocateTree; null when they are something else, or of another release. */
export function readTree(buffer: ArrayBuffer): FileTree | null {
  if (buffer.byteLength < HEADER_WORDS * 4) return null;
  const header = new Uint32Array(buffer, 0, HEADER_WORDS);
  const [magic, format, nodes = 0, nameBytes = 0, extents = 0, blocks = 0, hintBytes = 0] = header;
  const counts = { nodes, nameBytes, extents, blocks, hintBytes };
  if (magic !== MAGIC || format !== TREE_FORMAT || layOut(counts).byteLength !== buffer.byteLength) return null;
  const { tree, hintText } = viewsOf(buffer, counts);
  if (hintText.byteLength > 0) tree.hints = new TextDecoder().decode(hintText).split('\n');
  return tree;
}

/** Wide columns first, so that all are aligned. */
function layOut({ nodes, nameBytes, extents, blocks, hintBytes }: TreeCounts) {
  let at = HEADER_WORDS * 4;
  const column = (items: number, width: number) => {
    const start = at;
    at += items * width;
    return start;
  };
  const starts = {
    sizes: column(nodes, 8),
    extentStarts: column(extents, 8),
    blockStarts: column(blocks + 1, 8),
    nameStarts: column(nodes + 1, 4),
    parents: column(nodes, 4),
    firsts: column(nodes, 4),
    counts: column(nodes, 4),
    fileCounts: column(nodes, 4),
    extentLengths: column(extents, 4),
    hintIndex: column(blocks, 4),
    hashes: column(blocks * 16, 1),
    kinds: column(nodes, 1),
    names: column(nameBytes, 1),
    hints: column(hintBytes, 1),
  };
  return { starts, byteLength: at };
}

function viewsOf(buffer: ArrayBuffer, counts: TreeCounts): { tree: FileTree; hintText: Uint8Array } {
  const { starts } = layOut(counts);
  const { nodes, blocks, extents } = counts;
  const tree: FileTree = {
    buffer,
    nodeCount: nodes,
    blockCount: blocks,
    nameStarts: new Uint32Array(buffer, starts.nameStarts, nodes + 1),
    names: new Uint8Array(buffer, starts.names, counts.nameBytes),
    parents: new Uint32Array(buffer, starts.parents, nodes),
    firsts: new Uint32Array(buffer, starts.firsts, nodes),
    counts: new Uint32Array(buffer, starts.counts, nodes),
    kinds: new Uint8Array(buffer, starts.kinds, nodes),
    sizes: new Float64Array(buffer, starts.sizes, nodes),
    fileCounts: new Uint32Array(buffer, starts.fileCounts, nodes),
    extentStarts: new Float64Array(buffer, starts.extentStarts, extents),
    extentLengths: new Uint32Array(buffer, starts.extentLengths, extents),
    blockStarts: new Float64Array(buffer, starts.blockStarts, blocks + 1),
    hashes: new Uint8Array(buffer, starts.hashes, blocks * 16),
    hintIndex: new Uint32Array(buffer, starts.hintIndex, blocks),
    hints: [],
  };
  return { tree, hintText: new Uint8Array(buffer, starts.hints, counts.hintBytes) };
}
