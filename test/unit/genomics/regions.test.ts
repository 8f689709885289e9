import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BGZF_EOF, blockSizeAt, inflate, inflateBlocks } from '../../../src/genomics/bgzf.ts';
import { parseBinIndex } from '../../../src/genomics/bin-index.ts';
import { parseCrai } from '../../../src/genomics/cram.ts';
import { type Format, readHeader } from '../../../src/genomics/header.ts';
import type { FileRange, RangedFile } from '../../../src/genomics/ranged-file.ts';
import { type IndexedFile, parseGzi, type Region, rangesOf } from '../../../src/genomics/regions.ts';

const VECTORS = join(import.meta.dirname, '../../vectors/genomics');
const MAX_BYTES = 64 * 1024 * 1024;

interface Placed {
  reference: string;
  start: number;
  end: number;
  name: string;
  /** Place and bytes in the inflated file. */
  at: number;
  length: number;
}

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

async function indexed(name: string, format: Format, index: string, gzi?: string): Promise<IndexedFile> {
  const file = fileOf(bytesOf(name));
  const header = await readHeader(file, format);
  const blockStarts = gzi === undefined ? null : parseGzi(bytesOf(gzi));
  const raw = bytesOf(index);
  if (format === 'CRAM') {
    const crai = parseCrai(new TextDecoder().decode(await inflate(raw, MAX_BYTES)));
    return { file, format, header, blockStarts, index: { kind: 'crai', crai } };
  }
  const inflated = raw[0] === 31 ? await inflateBlocks(raw, MAX_BYTES) : raw;
  return { file, format, header, blockStarts, index: parseBinIndex(inflated) };
}

/** Blocks of a BGZF file: their bytes in the file, and those of their content. */
function blocksOf(bytes: Uint8Array) {
  const blocks: { start: number; end: number; from: number; to: number }[] = [];
  for (let at = 0, from = 0; at < bytes.byteLength; ) {
    const end = at + (blockSizeAt(bytes, at) ?? Number.NaN);
    const to = from + gunzipSync(bytes.subarray(at, end)).byteLength;
    blocks.push({ start: at, end, from, to });
    at = end;
    from = to;
  }
  return blocks;
}

/** The records that are not whole in the ranges. */
function missingFrom(bytes: Uint8Array, ranges: FileRange[], records: Placed[]): string[] {
  const cut = blocksOf(bytes).filter(
    ({ start, end }) => !ranges.some((range) => range.start <= start && range.end >= end),
  );
  return records
    .filter(({ at, length }) => cut.some(({ from, to }) => from < at + length && to > at))
    .map(({ name }) => name);
}

/** Every record of a BAM text that was put together from whole blocks, by a plain scan. */
function bamRecords(bytes: Buffer, references: string[]): Placed[] {
  const records: Placed[] = [];
  for (let at = bamHeaderLength(bytes); at < bytes.length; at += 4 + bytes.readInt32LE(at)) {
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
    const length = 4 + bytes.readInt32LE(at);
    records.push({ reference: references[reference] ?? '*', start, end: Math.max(end, start + 1), name, at, length });
  }
  return records;
}

function vcfRecords(text: string): Placed[] {
  let at = 0;
  return text
    .split('\n')
    .map((line) => {
      at += line.length + 1;
      return { line, at: at - line.length - 1, length: line.length + 1 };
    })
    .filter(({ line }) => line !== '' && !line.startsWith('#'))
    .map(({ line, ...place }) => {
      const [reference = '', position = '', , ref = '', , , , info = ''] = line.split('\t');
      const start = Number(position) - 1;
      const end = Number(/END=(\d+)/.exec(info)?.[1] ?? start + ref.length);
      return { reference, start, end, name: line, ...place };
    });
}

function bcfRecords(bytes: Buffer, references: string[]): Placed[] {
  const records: Placed[] = [];
  for (let at = 9 + bytes.readInt32LE(5); at < bytes.length; ) {
    const length = 8 + bytes.readInt32LE(at) + bytes.readInt32LE(at + 4);
    const start = bytes.readInt32LE(at + 12);
    const reference = references[bytes.readInt32LE(at + 8)] ?? '?';
    records.push({ reference, start, end: start + bytes.readInt32LE(at + 16), name: `at ${at}`, at, length });
    at += length;
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

describe('the bytes for regions hold every record that overlaps one of them', () => {
  test.each(['reads.bam.bai', 'reads.bam.csi'])('of a BAM file by %s', async (index) => {
    const source = await indexed('reads.bam', 'BAM', index);
    const bam = bytesOf('reads.bam');
    const all = bamRecords(gunzipSync(bam), source.header.references);
    expect(all).toHaveLength(5700);
    await fc.assert(
      fc.asyncProperty(someRegions([...source.header.references, '*']), async (regions) => {
        const ranges = await rangesOf(source, regions);
        expect(missingFrom(bam, ranges, overlapping(all, regions))).toEqual([]);
      }),
      RUNS,
    );
  });

  test.each([
    ['variants.vcf.gz.tbi', undefined],
    ['variants.vcf.gz.csi', undefined],
    ['variants.vcf.gz.tbi', 'variants.vcf.gz.gzi'],
  ])('of a compressed VCF file by %s and %s', async (index, gzi) => {
    const source = await indexed('variants.vcf.gz', 'VCF', index, gzi);
    const vcf = bytesOf('variants.vcf.gz');
    const all = vcfRecords(gunzipSync(vcf).toString('latin1'));
    expect(all).toHaveLength(4500);
    await fc.assert(
      fc.asyncProperty(someRegions(source.header.references), async (regions) => {
        const ranges = await rangesOf(source, regions);
        expect(missingFrom(vcf, ranges, overlapping(all, regions))).toEqual([]);
      }),
      RUNS,
    );
  });
});

test('the bytes for regions of a BCF file by its CSI index hold every record that overlaps one of them', async () => {
  const source = await indexed('variants.bcf', 'BCF', 'variants.bcf.csi');
  const bcf = bytesOf('variants.bcf');
  const all = bcfRecords(gunzipSync(bcf), source.header.references);
  expect(all).toHaveLength(4500);
  await fc.assert(
    fc.asyncProperty(someRegions(source.header.references), async (regions) => {
      expect(missingFrom(bcf, await rangesOf(source, regions), overlapping(all, regions))).toEqual([]);
    }),
    RUNS,
  );
});

test.each<[string, Format]>([
  ['reads.bam', 'BAM'],
  ['variants.vcf.gz', 'VCF'],
  ['variants.bcf', 'BCF'],
])('the header of %s is cut out exactly, records in its last block left out', async (name, format) => {
  const bytes = bytesOf(name);
  const { clean, tail, end } = await readHeader(fileOf(bytes), format);
  const content = gunzipSync(bytes);
  const cut = gunzipSync(Buffer.concat([bytes.subarray(0, clean), tail ?? new Uint8Array(0), BGZF_EOF]));
  const lengths: Record<string, () => number> = {
    BAM: () => bamHeaderLength(content),
    VCF: () => content.indexOf('\nchr1\t') + 1,
    BCF: () => 9 + content.readInt32LE(5),
  };
  expect(cut.byteLength).toBe(lengths[format]?.());
  expect(content.subarray(0, cut.byteLength).equals(cut)).toBe(true);
  expect(gunzipSync(bytes.subarray(0, end)).byteLength).toBeGreaterThanOrEqual(cut.byteLength);
});

test('the header of a CRAM file ends where its index says that the first container begins', async () => {
  const source = await indexed('reads.cram', 'CRAM', 'reads.cram.crai');
  expect(source.header.references).toEqual(['chr1', 'chr2', 'empty', 'chr3']);
  const all = await rangesOf(
    source,
    ['chr1', 'chr2', 'chr3', '*'].map((reference) => ({ reference, start: 0, end: 2 ** 40 })),
  );
  expect(all).toEqual([{ start: source.header.end, end: source.file.size - 38 }]);
  const some = await rangesOf(source, [{ reference: 'chr2', start: 100_000, end: 100_100 }]);
  expect(some.length).toBeGreaterThan(0);
  expect(some.every(({ start }) => start > source.header.end)).toBe(true);
});

test('a part of a BAM file is no larger than its index implies', async () => {
  const source = await indexed('reads.bam', 'BAM', 'reads.bam.bai');
  const size = source.file.size;
  const [whole] = await rangesOf(source, [{ reference: 'chr1', start: 0, end: 2 ** 40 }]);
  const small = await rangesOf(source, [{ reference: 'chr3', start: 180_000, end: 180_100 }]);
  expect((whole?.end ?? 0) - (whole?.start ?? 0)).toBeLessThan(size / 2);
  expect(small.reduce((sum, { start, end }) => sum + end - start, 0)).toBeLessThan(size / 4);
  await expect(rangesOf(source, [{ reference: 'empty', start: 0, end: 50_000 }])).resolves.toEqual([]);
});

function bamHeaderLength(bytes: Buffer): number {
  let at = 8 + bytes.readInt32LE(4);
  const references = bytes.readInt32LE(at);
  at += 4;
  for (let i = 0; i < references; i++) at += 8 + bytes.readInt32LE(at);
  return at;
}
