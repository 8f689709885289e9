import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { bigChromosomes } from '../../../src/browser/big-chromosomes.ts';
import { chromosomesOfFai, ofBam } from '../../../src/browser/genome-places.ts';
import { contigsOf, ofRegions, ofWig } from '../../../src/browser/region-text.ts';
import { makeBam } from '../../support/bam.ts';

test('a BAM shows its chromosomes and where its first read lies', () => {
  const { bam } = makeBam({ name: 'chr7', length: 1_000_000 }, [{ name: 'r', start: 400_000, sequence: 'ACGT' }]);
  expect(ofBam(gunzipSync(bam))).toEqual({
    chromosomes: [['chr7', 1_000_000]],
    first: { chromosome: 'chr7', start: 400_001 },
  });
  expect(() => ofBam(Buffer.from('not a BAM file'))).toThrow('no BAM');
});

test.each([
  [
    'x.bed',
    'track name=x\nchr1\t100\t200\nchr2\t5\t10\n',
    [
      ['chr1', 1200],
      ['chr2', 1010],
    ],
    { chromosome: 'chr1', start: 101 },
  ],
  ['x.gff3', '##gff\nchr1\tx\tgene\t300\t900\t.\t+\t.\tID=g\n', [['chr1', 1900]], { chromosome: 'chr1', start: 300 }],
  ['x.vcf', '#CHROM\tPOS\nchr1\t77\t.\tA\tG\n', [['chr1', 1077]], { chromosome: 'chr1', start: 77 }],
  ['x.seg', 'sample\tchrom\tstart\tend\ns\tchr3\t10\t500\n', [['chr3', 1500]], { chromosome: 'chr3', start: 10 }],
])('regions of %s', (name, text, chromosomes, first) => {
  expect(ofRegions(text, name)).toEqual({ chromosomes, first });
});

test('wiggle tells positions by steps, and a VCF header lengths', () => {
  const text =
    'track type=wiggle_0\nfixedStep chrom=chr1 start=11 step=10 span=10\n1\n2\nvariableStep chrom=chr2\n500 3\n';
  expect(ofWig(text)).toEqual({
    chromosomes: [
      ['chr1', 1031],
      ['chr2', 1501],
    ],
    first: { chromosome: 'chr1', start: 11 },
  });
  expect(contigsOf('##contig=<ID=chrX,length=12>\n')).toEqual([['chrX', 12]]);
  expect(contigsOf('##contig=<ID=chrX>\n')).toBeNull();
  expect(chromosomesOfFai('chr1\t10\t6\t60\t61\nchr2\t20\t17\t60\t61\n')).toEqual([
    ['chr1', 10],
    ['chr2', 20],
  ]);
});

test('a bigWig names its chromosomes in a tree, of more levels than one too', async () => {
  const file = Buffer.alloc(300);
  file.writeUInt32LE(0x888ffc26, 0);
  file.writeBigUInt64LE(64n, 8);
  file.writeUInt32LE(0x78ca8c91, 64);
  file.writeUInt32LE(2, 68);
  file.writeUInt32LE(4, 72);
  // An inner node with two leaves of one chromosome each.
  const node = (at: number, isLeaf: boolean, items: [string, number | bigint][]) => {
    file[at] = isLeaf ? 1 : 0;
    file.writeUInt16LE(items.length, at + 2);
    items.forEach(([key, value], i) => {
      file.write(key, at + 4 + i * 12);
      if (typeof value === 'bigint') file.writeBigUInt64LE(value, at + 8 + i * 12);
      else file.writeUInt32LE(value, at + 12 + i * 12);
    });
  };
  node(96, false, [
    ['chr1', 150n],
    ['chr9', 200n],
  ]);
  node(150, true, [['chr1', 1000]]);
  node(200, true, [['chr9', 900]]);
  const read = async (start: number, length: number) => new Uint8Array(file.subarray(start, start + length));
  expect(await bigChromosomes(read)).toEqual([
    ['chr1', 1000],
    ['chr9', 900],
  ]);
  await expect(bigChromosomes(async () => new Uint8Array(64))).rejects.toThrow('neither');
});
