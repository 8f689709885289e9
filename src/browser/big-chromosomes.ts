import type { Chromosome } from './region-text.ts';

/** The chromosomes of a bigWig or bigBed file: leaves of the tree that its header points to. */

type Read = (start: number, length: number) => Promise<Uint8Array>;

const BIGWIG = 0x888ffc26;
const BIGBED = 0x8789f2eb;
const TREE = 0x78ca8c91;
const HEADER_BYTES = 64;
const TREE_HEADER_BYTES = 32;
const NODE_HEADER_BYTES = 4;
const MAX_CHROMOSOMES = 100_000;

/** @throws Error for what is neither */
export async function bigChromosomes(read: Read): Promise<Chromosome[]> {
  const header = viewOf(await read(0, HEADER_BYTES));
  const isLittle = [BIGWIG, BIGBED].includes(header.byteLength < HEADER_BYTES ? 0 : header.getUint32(0, true));
  if (!isLittle && ![BIGWIG, BIGBED].includes(header.byteLength < HEADER_BYTES ? 0 : header.getUint32(0, false)))
    throw new Error('this is neither a bigWig nor a bigBed file');
  const at = Number(header.getBigUint64(8, isLittle));
  const tree = viewOf(await read(at, TREE_HEADER_BYTES));
  if (tree.byteLength < TREE_HEADER_BYTES || tree.getUint32(0, isLittle) !== TREE)
    throw new Error('the list of chromosomes in this file is damaged');
  const blockItems = tree.getUint32(4, isLittle);
  const keyBytes = tree.getUint32(8, isLittle);
  const itemBytes = keyBytes + 8;
  const found: Chromosome[] = [];
  const nodes = [at + TREE_HEADER_BYTES];
  for (let node = nodes.pop(); node !== undefined && found.length < MAX_CHROMOSOMES; node = nodes.pop()) {
    const bytes = await read(node, NODE_HEADER_BYTES + blockItems * itemBytes);
    const view = viewOf(bytes);
    const isLeaf = view.getUint8(0) === 1;
    const children: number[] = [];
    for (let i = 0; i < view.getUint16(2, isLittle); i++) {
      const item = NODE_HEADER_BYTES + i * itemBytes;
      const name = new TextDecoder().decode(bytes.subarray(item, item + keyBytes)).replace(/\0+$/, '');
      if (isLeaf) found.push([name, view.getUint32(item + keyBytes + 4, isLittle)]);
      else children.push(Number(view.getBigUint64(item + keyBytes, isLittle)));
    }
    nodes.push(...children.reverse());
  }
  return found;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
