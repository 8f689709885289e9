import { crc32, deflateRawSync } from 'node:zlib';

/** A small sorted BAM file and its BAI index, written from the SAM/BAM specification (section 4 and 5). */

export interface TestRead {
  name: string;
  /** 0-based. */
  start: number;
  sequence: string;
}

const BLOCK_BYTES = 0xff00;
const EOF_BLOCK = Buffer.from('1f8b08040000000000ff0600424302001b0003000000000000000000', 'hex');
const BASES = '=ACMGRSVTWYHKDBN';
const LINEAR_SHIFT = 14;

/** @param reads ascending by start, all on one reference */
export function makeBam(reference: { name: string; length: number }, reads: TestRead[]): { bam: Buffer; bai: Buffer } {
  const writer = bgzfWriter();
  writer.write(header(reference));
  const bins = new Map<number, { begin: bigint; end: bigint }[]>();
  const linear: bigint[] = [];
  for (const read of reads) {
    const begin = writer.position();
    writer.write(record(read));
    const end = writer.position();
    const bin = binOf(read.start, read.start + read.sequence.length);
    const chunks = bins.get(bin) ?? [];
    const last = chunks.at(-1);
    if (last?.end === begin) last.end = end;
    else chunks.push({ begin, end });
    bins.set(bin, chunks);
    const lastWindow = (read.start + read.sequence.length - 1) >> LINEAR_SHIFT;
    for (let window = read.start >> LINEAR_SHIFT; window <= lastWindow; window++) linear[window] ??= begin;
  }
  for (let window = linear.length - 1; window >= 0; window--) linear[window] ??= linear[window + 1] ?? 0n;
  return { bam: writer.end(), bai: index(bins, linear) };
}

function header({ name, length }: { name: string; length: number }): Buffer {
  const text = `@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:${name}\tLN:${length}\n`;
  return Buffer.concat([
    Buffer.from('BAM\x01', 'latin1'),
    u32(text.length),
    Buffer.from(text),
    u32(1),
    u32(name.length + 1),
    Buffer.from(`${name}\0`),
    u32(length),
  ]);
}

function record({ name, start, sequence }: TestRead): Buffer {
  const fixed = Buffer.alloc(32);
  fixed.writeInt32LE(0, 0);
  fixed.writeInt32LE(start, 4);
  fixed.writeUInt8(name.length + 1, 8);
  fixed.writeUInt8(60, 9);
  fixed.writeUInt16LE(binOf(start, start + sequence.length), 10);
  fixed.writeUInt16LE(1, 12);
  fixed.writeUInt16LE(0, 14);
  fixed.writeInt32LE(sequence.length, 16);
  fixed.writeInt32LE(-1, 20);
  fixed.writeInt32LE(-1, 24);
  fixed.writeInt32LE(0, 28);
  const packed = Buffer.alloc(Math.ceil(sequence.length / 2));
  for (const [i, base] of [...sequence].entries()) packed[i >> 1]! |= BASES.indexOf(base) << (i % 2 === 0 ? 4 : 0);
  const body = Buffer.concat([
    fixed,
    Buffer.from(`${name}\0`),
    u32(sequence.length << 4),
    packed,
    Buffer.alloc(sequence.length, 30),
  ]);
  return Buffer.concat([u32(body.length), body]);
}

/** The smallest bin that holds [begin, end) (specification 5.3). */
function binOf(begin: number, end: number): number {
  const last = end - 1;
  for (const [shift, first] of [
    [14, 4681],
    [17, 585],
    [20, 73],
    [23, 9],
    [26, 1],
  ] as const) {
    if (begin >> shift === last >> shift) return first + (begin >> shift);
  }
  return 0;
}

function index(bins: Map<number, { begin: bigint; end: bigint }[]>, linear: bigint[]): Buffer {
  const bytes = [Buffer.from('BAI\x01', 'latin1'), u32(1), u32(bins.size)];
  for (const [bin, chunks] of bins) {
    bytes.push(u32(bin), u32(chunks.length), ...chunks.flatMap(({ begin, end }) => [u64(begin), u64(end)]));
  }
  return Buffer.concat([...bytes, u32(linear.length), ...linear.map(u64)]);
}

/** Blocked gzip (specification 4.1): positions are the block's place in the file and the place in the block. */
function bgzfWriter() {
  const blocks: Buffer[] = [];
  let written = 0;
  let pending = Buffer.alloc(0);
  const flush = () => {
    const data = deflateRawSync(pending);
    const block = Buffer.concat([
      Buffer.from('1f8b08040000000000ff0600424302000000', 'hex'),
      data,
      u32(crc32(pending)),
      u32(pending.length),
    ]);
    block.writeUInt16LE(block.length - 1, 16);
    blocks.push(block);
    written += block.length;
    pending = Buffer.alloc(0);
  };
  return {
    write(bytes: Buffer) {
      if (pending.length + bytes.length > BLOCK_BYTES) flush();
      pending = Buffer.concat([pending, bytes]);
    },
    position: () => (BigInt(written) << 16n) | BigInt(pending.length),
    end() {
      flush();
      return Buffer.concat([...blocks, EOF_BLOCK]);
    },
  };
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}
