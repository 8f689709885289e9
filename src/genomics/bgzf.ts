import { joinBytes } from '../streams/join-bytes.ts';
import { takeTurns } from '../streams/turns.ts';
import { BadGenomicFile } from './ranged-file.ts';

/**
 * BGZF: a row of gzip members, each of at most 64 KiB before and after compression, whose size stands in an extra field
 * of its header. A byte of the content has a virtual offset: where its block begins, and its place in the inflated block.
 */
export interface VirtualOffset {
  /** Byte of the file where the block begins. */
  block: number;
  /** Bytes of the inflated block before it. */
  within: number;
}

/** The empty block that ends a BGZF file. */
export const BGZF_EOF: Uint8Array = Uint8Array.from([
  31, 139, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, 66, 67, 2, 0, 27, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

/** Bytes of a block at most, compressed or not. */
export const MAX_BLOCK_BYTES = 65_536;
const FIXED_HEADER_BYTES = 12;
const GZIP_HEADER_BYTES = 10;
/** With its one extra field. */
const HEADER_BYTES = 18;
const BLOCKS_PER_TURN = 16;

/** @returns negative, 0 or positive, for sorting */
export function compareOffsets(a: VirtualOffset, b: VirtualOffset): number {
  return a.block - b.block || a.within - b.within;
}

/** A virtual offset as indexes store it: 64 bits, little endian, the lowest 16 are the place in the block. */
export function readVirtualOffset(view: DataView, at: number): VirtualOffset {
  const low = view.getUint32(at, true);
  return { block: view.getUint32(at + 4, true) * 65_536 + (low >>> 16), within: low & 0xffff };
}

/** Bytes of the block that begins at `at`, or null where no BGZF header is. */
export function blockSizeAt(bytes: Uint8Array, at: number): number | null {
  const extra = extraFieldAt(bytes, at);
  if (extra === null) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let field = extra.start; field + 4 <= extra.end; ) {
    const length = view.getUint16(field + 2, true);
    if (bytes[field] === 66 && bytes[field + 1] === 67 && length === 2 && field + 6 <= extra.end)
      return view.getUint16(field + 4, true) + 1;
    field += 4 + length;
  }
  return null;
}

function extraFieldAt(bytes: Uint8Array, at: number): { start: number; end: number } | null {
  if (bytes[at] !== 31 || bytes[at + 1] !== 139 || bytes[at + 2] !== 8 || bytes[at + 3] !== 4) return null;
  const start = at + FIXED_HEADER_BYTES;
  if (bytes.byteLength < start) return null;
  const end = start + (bytes[at + 10] ?? 0) + (bytes[at + 11] ?? 0) * 256;
  return end <= bytes.byteLength ? { start, end } : null;
}

/**
 * The content of one block.
 * @param bytes begin with the block; more may follow
 * @throws BadGenomicFile
 */
export async function inflateBlock(bytes: Uint8Array): Promise<Uint8Array> {
  const size = blockSizeAt(bytes, 0);
  if (size === null || size > bytes.byteLength) throw new BadGenomicFile('not a BGZF block');
  return inflate(bytes.subarray(0, size), MAX_BLOCK_BYTES);
}

/** Content of a whole BGZF text, such as an index. @throws BadGenomicFile over `maxBytes` */
export async function inflateBlocks(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const all = new Uint8Array(inflatedLength(bytes, maxBytes));
  const turn = takeTurns(BLOCKS_PER_TURN);
  let length = 0;
  for (let at = 0; at < bytes.byteLength; ) {
    const content = await inflateBlock(bytes.subarray(at));
    if (length + content.byteLength > all.byteLength) throw new BadGenomicFile('compressed data is damaged');
    all.set(content, length);
    length += content.byteLength;
    at += blockSizeAt(bytes, at) ?? bytes.byteLength;
    const wait = turn();
    if (wait !== undefined) await wait;
  }
  return all.subarray(0, length);
}

/** What the blocks say that they hold: the last four bytes of each. @throws BadGenomicFile over `maxBytes` */
function inflatedLength(bytes: Uint8Array, maxBytes: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let length = 0;
  for (let at = 0; at < bytes.byteLength; ) {
    const size = blockSizeAt(bytes, at);
    if (size === null || size < HEADER_BYTES + 8 || at + size > bytes.byteLength)
      throw new BadGenomicFile('not a BGZF block');
    at += size;
    length += view.getUint32(at - 4, true);
    if (length > maxBytes) throw new BadGenomicFile(`more than ${maxBytes} bytes when inflated`);
  }
  return length;
}

/** A block with this content. @param content at most 65,280 bytes, so that it fits when it does not compress */
export async function deflateBlock(content: Uint8Array): Promise<Uint8Array> {
  const gzip = await throughStream(content, new CompressionStream('gzip'), MAX_BLOCK_BYTES);
  // The same but for the header, which has no extra field.
  const packed = gzip.subarray(GZIP_HEADER_BYTES);
  const header = BGZF_EOF.slice(0, HEADER_BYTES);
  new DataView(header.buffer).setUint16(HEADER_BYTES - 2, HEADER_BYTES + packed.byteLength - 1, true);
  return joinBytes([header, packed], HEADER_BYTES + packed.byteLength);
}

/** Content of one gzip member. @throws BadGenomicFile for what is none, or is over `maxBytes` */
export function inflate(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  return throughStream(bytes, new DecompressionStream('gzip'), maxBytes);
}

async function throughStream(
  bytes: Uint8Array,
  { readable, writable }: { readable: ReadableStream<Uint8Array>; writable: WritableStream<BufferSource> },
  maxBytes: number,
): Promise<Uint8Array> {
  const writer = writable.getWriter();
  const written = writer.write(bytes as Uint8Array<ArrayBuffer>).then(() => writer.close());
  written.catch(() => undefined);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = readable.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      length += next.value.byteLength;
      if (length > maxBytes) throw new BadGenomicFile(`more than ${maxBytes} bytes when inflated`);
      chunks.push(next.value);
    }
    await written;
  } catch (cause) {
    await reader.cancel(cause).catch(() => undefined);
    if (cause instanceof BadGenomicFile) throw cause;
    throw new BadGenomicFile('compressed data is damaged', { cause });
  }
  return joinBytes(chunks, length);
}
