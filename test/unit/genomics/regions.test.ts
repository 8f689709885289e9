import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { BGZF_EOF, deflateBlock, inflate, inflateBlocks } from '../../../src/genomics/bgzf.ts';
import { chunksOf, joinNearest, parseBinIndex } from '../../../src/genomics/bin-index.ts';
import { parseCrai } from '../../../src/genomics/cram.ts';
import { cutChunk } from '../../../src/genomics/cut-chunk.ts';
import { type Format, readHeader } from '../../../src/genomics/header.ts';
import type { RangedFile } from '../../../src/genomics/ranged-file.ts';
import {
  chunksFor,
  containersFor,
  type IndexedBgzf,
  type IndexedCram,
  type Region,
} from '../../../src/genomics/regions.ts';

const VECTORS = join(import.meta.dirname, '../../vectors/genomics');
const MAX_BYTES = 64 * 1024 * 1024;

interface Placed {
  reference: string;
  start: number;
  end: number;
  name: string;
}

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const bytesOf = (name: string) => new Uint8Array(readFileSync(join(VECTORS, name)));

function fileOf(bytes: Uint8Array): RangedFile & { reads: number } {
  const file = {
    size: bytes.byteLength,
    reads: 0,
    read(offset: number, length: number) {
      if (offset < 0 || offset + length > bytes.byteLength) throw new Error(`read outside: ${offset}+${length}`);
      file.reads++;
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
  };
  return file;
}

async function indexed(name: string, format: Format, index: string): Promise<IndexedBgzf> {
  const file = fileOf(bytesOf(name));
  const header = await readHeader(file, format);
  const raw = bytesOf(index);
  const inflated = raw[0] === 31 ? await inflateBlocks(raw, MAX_BYTES) : raw;
  return { file, format, header, blockStarts: null, index: parseBinIndex(inflated) };
}

/** The inflated content that the ticket for regions leads to, header and end left out. */
async function contentFor(source: IndexedBgzf, bytes: Uint8Array, regions: Region[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (const chunk of await chunksFor(source, regions)) {
    const { head, middle, tail } = await cutChunk(source.file, chunk);
    parts.push(head ?? new Uint8Array(0), bytes.subarray(middle.start, middle.end), tail ?? new Uint8Array(0));
  }
  return gunzipSync(Buffer.concat([...parts, BGZF_EOF]));
}

/** Every record of a BAM text that was put together from whole blocks, by a plain scan. */
function bamRecords(bytes: Buffer, from: number, references: string[]): Placed[] {
  const records: Placed[] = [];
  for (let at = from; at < bytes.length; at += 4 + bytes.readInt32LE(at)) {
    const reference = bytes.readInt32LE(at + 4);
    const start = bytes.readInt32LE(at + 8);
    const nameLength = bytes[at + 12] ?? 0;
    const operations = bytes.readUInt16LE(at + 16);
    let end = start;
    for (let i = 0; i < operations; i++) {
      const operation = bytes.readUInt32LE(at + 36 + nameLength + i * 4);
      if ([0, 2, 3, 7, 8].includes(operation & 15)) end += operation >>> 4;
    }
    const name = bytes.toString('latin1', at + 36, at + 36 + nameLength - 1);
    records.push({ reference: references[reference] ?? '*', start, end: Math.max(end, start + 1), name });
  }
  return records;
}

function vcfRecords(bytes: Buffer): Placed[] {
  const text = bytes.toString('latin1');
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [reference = '', position = '', , ref = '', , , , info = ''] = line.split('\t');
      const start = Number(position) - 1;
      const end = Number(/END=(\d+)/.exec(info)?.[1] ?? start + ref.length);
      return { reference, start, end, name: line };
    });
}

function bcfRecords(bytes: Buffer, from: number, references: string[]): Placed[] {
  const records: Placed[] = [];
  for (let at = from; at < bytes.length; ) {
    const next = at + 8 + bytes.readInt32LE(at) + bytes.readInt32LE(at + 4);
    const start = bytes.readInt32LE(at + 12);
    const reference = references[bytes.readInt32LE(at + 8)] ?? '?';
    records.push({ reference, start, end: start + bytes.readInt32LE(at + 16), name: md5(bytes.subarray(at, next)) });
    at = next;
  }
  return records;
}

function overlapping(records: Placed[], regions: Region[]): Placed[] {
  return records.filter((record) =>
    regions.some(
      ({ reference, start, end }) =>
        record.reference === reference && (reference === '*' || (record.start < end && record.end > start)),
    ),
  );
}

const someRegion = (references: string[]) =>
  fc
    .record({
      reference: fc.constantFrom(...references),
      start: fc.integer({ min: 0, max: 2_100_000 }),
      length: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 2_000_000 }), fc.constant(2 ** 40)),
    })
    .map(({ reference, start, length }): Region => ({ reference, start, end: start + length }));
const someRegions = (references: string[]) => fc.array(someRegion(references), { minLength: 1, maxLength: 4 });
const RUNS = { numRuns: 150 };

interface Case {
  name: string;
  format: Format;
  index: string;
  count: number;
  recordsOf(bytes: Buffer, from: number, references: string[]): Placed[];
  headerLength(bytes: Buffer): number;
}

const BAM = {
  name: 'reads.bam',
  format: 'BAM',
  count: 5700,
  recordsOf: bamRecords,
  headerLength: bamHeaderLength,
} as const;
const VCF = {
  name: 'variants.vcf.gz',
  format: 'VCF',
  count: 4500,
  recordsOf: vcfRecords,
  headerLength: (bytes: Buffer) => bytes.indexOf('\nchr1\t') + 1,
} as const;
const BCF = {
  name: 'variants.bcf',
  format: 'BCF',
  count: 4500,
  recordsOf: bcfRecords,
  headerLength: (bytes: Buffer) => 9 + bytes.readInt32LE(5),
} as const;

test.each<Case>([
  { ...BAM, index: 'reads.bam.bai' },
  { ...BAM, index: 'reads.bam.csi' },
  { ...VCF, index: 'variants.vcf.gz.tbi' },
  { ...VCF, index: 'variants.vcf.gz.csi' },
  { ...BCF, index: 'variants.bcf.csi' },
])(
  'what $index leads to is every record that overlaps the regions, in whole records of the file, each once',
  async (at) => {
    const source = await indexed(at.name, at.format, at.index);
    const bytes = bytesOf(at.name);
    const content = gunzipSync(bytes);
    const { references } = source.header;
    const all = at.recordsOf(content, at.headerLength(content), references);
    expect(all).toHaveLength(at.count);
    const order = new Map(all.map(({ name }, i) => [name, i]));
    const possible = at.format === 'BAM' ? [...references, '*'] : references;
    await fc.assert(
      fc.asyncProperty(someRegions(possible), async (regions) => {
        const found = at.recordsOf(await contentFor(source, bytes, regions), 0, references).map(({ name }) => name);
        const names = new Set(found);
        expect(overlapping(all, regions).filter(({ name }) => !names.has(name))).toEqual([]);
        const places = found.map((name) => order.get(name) ?? Number.NaN);
        expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
        expect(places).not.toContain(Number.NaN);
      }),
      RUNS,
    );
  },
);

test('joining chunks loses none of them and leaves the widest gaps', () => {
  const chunk = (start: number, end: number) => ({
    start: { block: start, within: 1 },
    end: { block: end, within: 1 },
  });
  const chunks = [chunk(0, 10), chunk(12, 20), chunk(100, 110), chunk(111, 120), chunk(500, 510)];
  expect(joinNearest(chunks, 3)).toEqual([chunk(0, 20), chunk(100, 120), chunk(500, 510)]);
  expect(joinNearest(chunks, 1)).toEqual([chunk(0, 510)]);
  expect(joinNearest(chunks, 5)).toEqual(chunks);
});

test.each([BAM, VCF, BCF])('the header of $name is cut out exactly', async ({ name, format, headerLength }) => {
  const bytes = bytesOf(name);
  const { clean, tail, end } = await readHeader(fileOf(bytes), format);
  const content = gunzipSync(bytes);
  const cut = gunzipSync(Buffer.concat([bytes.subarray(0, clean), tail ?? new Uint8Array(0), BGZF_EOF]));
  expect(cut.byteLength).toBe(headerLength(content));
  expect(content.subarray(0, cut.byteLength).equals(cut)).toBe(true);
  expect(gunzipSync(bytes.subarray(0, end)).byteLength).toBeGreaterThanOrEqual(cut.byteLength);
});

test('the header of a CRAM file ends where its index says that the first container begins', async () => {
  const file = fileOf(bytesOf('reads.cram'));
  const header = await readHeader(file, 'CRAM');
  const text = await inflate(bytesOf('reads.cram.crai'), MAX_BYTES);
  const source: IndexedCram = { file, format: 'CRAM', header, index: { kind: 'crai', crai: await parseCrai(text) } };
  expect(header.references).toEqual(['chr1', 'chr2', 'empty', 'chr3']);
  const everything = ['chr1', 'chr2', 'chr3', '*'].map((reference) => ({ reference, start: 0, end: 2 ** 40 }));
  expect(containersFor(source, everything)).toEqual([{ start: header.end, end: file.size - 38 }]);
  const some = containersFor(source, [{ reference: 'chr2', start: 100_000, end: 100_100 }]);
  expect(some.length).toBeGreaterThan(0);
  expect(some.every(({ start }) => start > header.end)).toBe(true);
});

test('a region costs no more than its records and two blocks', async () => {
  const source = await indexed('reads.bam', 'BAM', 'reads.bam.bai');
  const small = await chunksFor(source, [{ reference: 'chr3', start: 180_000, end: 180_100 }]);
  expect(small.reduce((sum, { start, end }) => sum + end.block - start.block, 0)).toBeLessThan(source.file.size / 4);
  await expect(chunksFor(source, [{ reference: 'empty', start: 0, end: 50_000 }])).resolves.toEqual([]);
});

/** A BAI of one reference with one chunk in each smallest bin, a block apart. */
function wideIndex(bins: number): Uint8Array {
  const bytes = Buffer.alloc(12 + bins * 24 + 4 + bins * 8);
  bytes.write('BAI\x01', 0, 'latin1');
  bytes.writeInt32LE(1, 4);
  bytes.writeInt32LE(bins, 8);
  for (let i = 0; i < bins; i++) {
    const at = 12 + i * 24;
    bytes.writeUInt32LE(4681 + i, at);
    bytes.writeInt32LE(1, at + 4);
    bytes.writeBigUInt64LE(BigInt(i * 200_000) << 16n, at + 8);
    bytes.writeBigUInt64LE(BigInt(i * 200_000 + 100_000) << 16n, at + 16);
  }
  bytes.writeInt32LE(bins, 12 + bins * 24);
  return new Uint8Array(bytes);
}

test('ten thousand regions look at each bin of an index once, and give others their turn meanwhile', async () => {
  const bins = 12_000;
  const file = { size: 2 ** 40, read: () => Promise.reject(new Error('not to be read')) };
  const header = { end: 0, clean: 0, tail: null, references: ['chr1', 'chr2'] };
  const source: IndexedBgzf = { file, format: 'BAM', header, blockStarts: null, index: parseBinIndex(wideIndex(bins)) };
  const reads = vi.spyOn(DataView.prototype, 'getUint32');
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  try {
    const whole = { reference: 'chr1', start: 0, end: 2 ** 40 };
    const same = await chunksFor(
      source,
      Array.from({ length: 10_000 }, () => whole),
    );
    expect(same).toHaveLength(bins);
    const apart = Array.from({ length: 10_000 }, (_, i) => ({
      reference: 'chr1',
      start: i * 16_384,
      end: i * 16_384 + 9,
    }));
    await expect(chunksFor(source, apart)).resolves.toHaveLength(10_000);
    expect(reads.mock.calls.length).toBeLessThan(30 * bins);
    expect(turns).toBeGreaterThan(0);
  } finally {
    clearInterval(timer);
    reads.mockRestore();
  }
});

test('an index of more chunks than are held leads to all of them, those in between included', async () => {
  const bins = 32_000;
  const index = parseBinIndex(wideIndex(bins));
  const found = await chunksOf({ ...index, minShift: 14, depth: 5 }, 0, [{ start: 0, end: 2 ** 29 }]);
  expect(found[0]?.start.block).toBe(0);
  expect(found.at(-1)?.end.block).toBe((bins - 1) * 200_000 + 100_000);
});

test('a header that holds more names or bytes than fit beside others is refused', async () => {
  const bam = (references: number, bytes: number) => {
    const head = Buffer.alloc(12 + bytes);
    head.write('BAM\x01', 0, 'latin1');
    head.writeUInt32LE(bytes, 4);
    head.writeUInt32LE(references, 8 + bytes);
    return head;
  };
  for (const content of [bam(500_001, 0), bam(0, 17 * 1024 * 1024)]) {
    const blocks: Uint8Array[] = [];
    for (let at = 0; at < content.length; at += 65_280)
      blocks.push(await deflateBlock(content.subarray(at, at + 65_280)));
    const bytes = Buffer.concat([...blocks, BGZF_EOF]);
    expect(bytes.length).toBeLessThan(200_000);
    await expect(readHeader(fileOf(bytes), 'BAM')).rejects.toThrow(/too many references|over 16 MiB/);
  }
});

test('a compressed index that holds more than it may is refused before it is inflated', async () => {
  const block = await deflateBlock(new Uint8Array(60_000));
  const file = Buffer.concat(Array.from({ length: 600 }, () => block));
  await expect(inflateBlocks(file, 32 * 1024 * 1024)).rejects.toThrow(/when inflated/);
  await expect(parseCrai(Buffer.from('0\t1\t1\t0\t0\t0\n'.repeat(500_001)))).rejects.toThrow(/lines/);
});

function bamHeaderLength(bytes: Buffer): number {
  let at = 8 + bytes.readInt32LE(4);
  const references = bytes.readInt32LE(at);
  at += 4;
  for (let i = 0; i < references; i++) at += 8 + bytes.readInt32LE(at);
  return at;
}
