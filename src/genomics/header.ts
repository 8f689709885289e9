import { takeTurns } from '../streams/turns.ts';
import { blockSizeAt, deflateBlock, inflateBlock, MAX_BLOCK_BYTES } from './bgzf.ts';
import { readCramHeader } from './cram.ts';
import { linesOf } from './lines.ts';
import { BadGenomicFile, type RangedFile, readUpTo } from './ranged-file.ts';

export type Format = 'BAM' | 'CRAM' | 'VCF' | 'BCF';

/** The header of an alignment or variant file. */
export interface GenomicHeader {
  /** Byte behind the last block or container that has a part of the header. */
  end: number;
  /** Bytes up to which there is header alone: less than `end` when its last block has records too. */
  clean: number;
  /** Header in that last block, as a block of its own; null where `clean` is `end`. */
  tail: Uint8Array | null;
  /** References in the order of the file: indexes know them by number. */
  references: string[];
}

/** Headers are read in steps of this many bytes. */
const STEP_BYTES = 256 * 1024;
/** What is parsed of a header takes several times its bytes. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const MAX_REFERENCES = 500_000;
const BLOCKS_PER_TURN = 16;
const LINES_PER_TURN = 20_000;

/** @throws BadGenomicFile for a file that is not of this format, or has a header of over 16 MiB */
export async function readHeader(file: RangedFile, format: Format): Promise<GenomicHeader> {
  if (format === 'CRAM') {
    const { end, text } = await readCramHeader(file);
    return { end, clean: end, tail: null, references: await samReferences(text) };
  }
  const content = inflated(file);
  const length = await HEADER_LENGTH[format](content);
  const text = content.bytes().subarray(0, length);
  const { block, within, end } = content.placeOf(length);
  return {
    end,
    clean: within === null ? end : block,
    tail: within === null ? null : await deflateBlock(content.bytes().subarray(length - within, length)),
    references: await REFERENCES[format](text),
  };
}

/** Inflated bytes of the beginning of a file, as many as were asked for. */
interface Content {
  /** At least `length` bytes. @throws BadGenomicFile when the file has less */
  need(length: number): Promise<void>;
  /** More than there was; false at the end of the file. */
  more(): Promise<boolean>;
  bytes(): Uint8Array;
  /** The block that has the byte before `length`; `within`: how much of it, or null for all. */
  placeOf(length: number): { block: number; within: number | null; end: number };
}

function inflated(file: RangedFile): Content {
  const blocks: { start: number; end: number; from: number; to: number }[] = [];
  let all = new Uint8Array(STEP_BYTES);
  let length = 0;
  let raw = new Uint8Array(0);
  let rawStart = 0;
  let at = 0;
  const turn = takeTurns(BLOCKS_PER_TURN);

  async function nextBlock(): Promise<boolean> {
    if (at >= file.size) return false;
    const wait = turn();
    if (wait !== undefined) await wait;
    if (at + MAX_BLOCK_BYTES > rawStart + raw.byteLength && rawStart + raw.byteLength < file.size) {
      raw = new Uint8Array(await readUpTo(file, at, STEP_BYTES));
      rawStart = at;
    }
    const bytes = raw.subarray(at - rawStart);
    const content = await inflateBlock(bytes);
    const end = at + (blockSizeAt(bytes, 0) ?? bytes.byteLength);
    blocks.push({ start: at, end, from: length, to: length + content.byteLength });
    if (length + content.byteLength > MAX_HEADER_BYTES) throw new BadGenomicFile('a header of over 16 MiB');
    if (length + content.byteLength > all.byteLength) {
      const larger = new Uint8Array(all.byteLength * 2);
      larger.set(all);
      all = larger;
    }
    all.set(content, length);
    length += content.byteLength;
    at = end;
    return true;
  }

  const content: Content = {
    async need(wanted) {
      if (wanted > MAX_HEADER_BYTES) throw new BadGenomicFile('a header of over 16 MiB');
      while (length < wanted) if (!(await nextBlock())) throw new BadGenomicFile('the header breaks off');
    },
    more: nextBlock,
    bytes: () => all.subarray(0, length),
    placeOf(wanted) {
      const found = blocks.find(({ to }) => to >= wanted) ?? { start: 0, end: 0, from: 0, to: 0 };
      return { block: found.start, within: found.to === wanted ? null : wanted - found.from, end: found.end };
    },
  };
  return content;
}

const HEADER_LENGTH: Record<'BAM' | 'VCF' | 'BCF', (content: Content) => Promise<number>> = {
  async BAM(content) {
    await content.need(8);
    if (magicOf(content) !== 'BAM\x01') throw new BadGenomicFile('not a BAM file');
    let at = 8 + (await uint32(content, 4));
    const references = await uint32(content, at);
    if (references > MAX_REFERENCES) throw new BadGenomicFile('a header with too many references');
    at += 4;
    const turn = takeTurns(LINES_PER_TURN);
    for (let i = 0; i < references; i++) {
      at += 8 + (await uint32(content, at));
      const wait = turn();
      if (wait !== undefined) await wait;
    }
    await content.need(at);
    return at;
  },
  async BCF(content) {
    await content.need(9);
    if (!magicOf(content).startsWith('BCF\x02')) throw new BadGenomicFile('not a BCF file');
    const length = 9 + (await uint32(content, 5));
    await content.need(length);
    return length;
  },
  async VCF(content) {
    await content.need(1);
    if (content.bytes()[0] !== 35) throw new BadGenomicFile('not a compressed VCF file');
    for (let line = 0; ; ) {
      const bytes = content.bytes();
      const end = bytes.indexOf(10, line);
      if (end < 0 || end + 1 === bytes.byteLength) {
        // The next line may be in the next block.
        if (await content.more()) continue;
        return bytes.byteLength;
      }
      line = end + 1;
      if (bytes[line] !== 35) return line;
    }
  },
};

function magicOf(content: Content): string {
  return String.fromCharCode(...content.bytes().subarray(0, 4));
}

async function uint32(content: Content, at: number): Promise<number> {
  await content.need(at + 4);
  const bytes = content.bytes();
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);
}

const REFERENCES: Record<'BAM' | 'VCF' | 'BCF', (header: Uint8Array) => Promise<string[]>> = {
  async BAM(header) {
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    const decoder = new TextDecoder();
    const turn = takeTurns(LINES_PER_TURN);
    const names: string[] = [];
    let at = 8 + view.getUint32(4, true);
    const count = view.getUint32(at, true);
    at += 4;
    while (names.length < count) {
      const length = view.getUint32(at, true);
      names.push(decoder.decode(header.subarray(at + 4, at + 4 + length - 1)));
      at += 8 + length;
      const wait = turn();
      if (wait !== undefined) await wait;
    }
    return names;
  },
  BCF: (header) => contigs(header.subarray(9)),
  VCF: contigs,
};

/** Names in the `@SQ` lines of a SAM header. */
async function samReferences(text: Uint8Array): Promise<string[]> {
  const names: string[] = [];
  for await (const line of linesWith(text, '@SQ\t')) {
    if (names.length >= MAX_REFERENCES) throw new BadGenomicFile('a header with too many references');
    names.push(/\tSN:([^\t\r]*)/.exec(line)?.[1] ?? '');
  }
  return names;
}

/** Names in the `##contig` lines of a VCF header, at the numbers that BCF gives them. */
async function contigs(text: Uint8Array): Promise<string[]> {
  const names: string[] = [];
  for await (const line of linesWith(text, '##contig=<')) {
    const id = /[<,]ID=([^,>]*)/.exec(line)?.[1];
    if (id === undefined) continue;
    const index = Number(/,IDX=(\d+)/.exec(line)?.[1] ?? names.length);
    if (index >= MAX_REFERENCES) throw new BadGenomicFile('a header with impossible contig numbers');
    names[index] = id;
  }
  return Array.from(names, (name) => name ?? '');
}

/** The lines that begin so. */
async function* linesWith(text: Uint8Array, beginning: string): AsyncGenerator<string> {
  const bytes = new TextEncoder().encode(beginning);
  const decoder = new TextDecoder();
  const turn = takeTurns(LINES_PER_TURN);
  for (const line of linesOf(text)) {
    const wait = turn();
    if (wait !== undefined) await wait;
    if (bytes.every((byte, i) => line[i] === byte)) yield decoder.decode(line);
  }
}
