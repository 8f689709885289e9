import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { BGZF_EOF, compareOffsets, deflateBlock } from '../../../src/genomics/bgzf.ts';
import { chunksOf, knownBlocks, parseBinIndex } from '../../../src/genomics/bin-index.ts';
import { containersOf, parseCrai } from '../../../src/genomics/cram.ts';
import { type Format, readHeader } from '../../../src/genomics/header.ts';
import { BadGenomicFile, type RangedFile } from '../../../src/genomics/ranged-file.ts';
import { formatDrsId, parseDrsId } from '../../../src/keep/drs-id.ts';
import { KeepError } from '../../../src/keep/errors.ts';
import { HtsgetError } from '../../../src/surfaces/ga4gh/htsget-error.ts';
import { readHtsgetQuery } from '../../../src/surfaces/ga4gh/htsget-query.ts';
import { must, type Target } from '../target.ts';

const VECTORS = join(import.meta.dirname, '../../vectors/genomics');
const raw = (name: string) => readFileSync(join(VECTORS, name));
const inflated = (name: string) => gunzipSync(raw(name));
const latin1 = (bytes: Buffer) => bytes.toString('latin1');
const bytesOf = (input: string) => new Uint8Array(Buffer.from(input, 'latin1'));
const NUMBERS = ['\0\0\0\0', '\xff\xff\xff\xff', '\xff\xff\xff\x7f', '\x01\0\0\0', '\x4a\x92\0\0'];

/** Files that are not what they say are refused with BadGenomicFile: 400. */
async function refusing<T>(parse: () => T | Promise<T>): Promise<T> {
  try {
    return await parse();
  } catch (error) {
    if (error instanceof BadGenomicFile || error instanceof HtsgetError)
      throw new KeepError('bad_request', { message: error.message });
    throw error;
  }
}

export const binIndexes: Target = {
  name: 'indexes of BAM, VCF and BCF',
  seeds: [
    latin1(raw('reads.bam.bai')),
    latin1(inflated('reads.bam.csi')),
    latin1(inflated('variants.vcf.gz.tbi')),
    latin1(inflated('variants.bcf.csi')),
    latin1(inflated('variants.vcf.gz.csi')),
  ],
  words: ['BAI\x01', 'TBI\x01', 'CSI\x01', ...NUMBERS],
  async run(input, random) {
    const index = await refusing(() => parseBinIndex(bytesOf(input)));
    let found = 0;
    for (let reference = 0; reference < Math.min(index.references.length, 5); reference++) {
      const start = random.below(2_000_000);
      const chunks = await chunksOf(index, reference, [{ start, end: start + 1 + random.below(1_000_000) }]);
      must(
        chunks.every(({ start, end }) => compareOffsets(start, end) < 0),
        'a chunk that ends before it begins',
      );
      must(
        chunks.every(({ start }, i) => i === 0 || start.block > (chunks[i - 1]?.end.block ?? 0)),
        'chunks that meet or are out of order',
      );
      found += chunks.length;
    }
    return `${index.kind} ${index.references.length} ${Math.min(found, 9)} ${Math.min((await knownBlocks(index, 2 ** 40)).length, 9)}`;
  },
};

export const crais: Target = {
  name: 'indexes of CRAM',
  seeds: [latin1(inflated('reads.cram.crai')), '0\t1\t100\t26\t10\t200\n-1\t0\t1\t226\t10\t200\n'],
  words: ['\t', '\n', '-1', '9007199254740993', '1e9', '0x1', ' '],
  async run(input) {
    const crai = await refusing(() => parseCrai(bytesOf(input)));
    const ranges = await refusing(() => containersOf(crai, 0, [{ start: 100, end: 200_000 }], 2 ** 50));
    must(
      ranges.every(({ start, end }) => end > start),
      'an empty container',
    );
    return `${Math.min(crai.references.length, 20)} ${ranges.length}`;
  },
};

const HEADS: Record<Exclude<Format, 'CRAM'>, Buffer> = {
  BAM: inflated('reads.bam').subarray(0, 3000),
  VCF: inflated('variants.vcf.gz').subarray(0, 2000),
  BCF: inflated('variants.bcf').subarray(0, 2000),
};

export const genomicHeaders: Target = {
  name: 'headers of genomic files',
  seeds: [
    'BAM\x01\x04\0\0\0@HD\n\x01\0\0\0\x05\0\0\0chr1\0\x10\0\0\0rest',
    latin1(HEADS.BAM),
    latin1(HEADS.VCF),
    latin1(HEADS.BCF),
    latin1(raw('reads.cram').subarray(0, 2000)),
  ],
  words: ['BAM\x01', 'BCF\x02\x02', 'CRAM\x03\x01', '##contig=<ID=x,IDX=3>', '\n', '#', ...NUMBERS],
  async run(input) {
    const text = bytesOf(input.slice(0, 60_000));
    const format: Format = input.startsWith('CRAM')
      ? 'CRAM'
      : input.startsWith('BCF')
        ? 'BCF'
        : input.startsWith('#')
          ? 'VCF'
          : 'BAM';
    const bytes = format === 'CRAM' ? text : Buffer.concat([await deflateBlock(text), BGZF_EOF]);
    const file: RangedFile = {
      size: bytes.byteLength,
      read(offset, length) {
        must(offset >= 0 && length >= 0 && offset + length <= bytes.byteLength, 'a read outside of the file');
        return Promise.resolve(new Uint8Array(bytes.subarray(offset, offset + length)));
      },
    };
    const header = await refusing(() => readHeader(file, format));
    must(header.clean <= header.end && header.end <= file.size, 'a header that ends behind its file');
    return `${format} ${Math.min(header.references.length, 9)} ${header.tail === null}`;
  },
};

export const drsIds: Target = {
  name: 'DRS ids and htsget queries',
  seeds: [
    'd41d8cd98f00b204e9800998ecf8427e-0',
    'd41d8cd98f00b204e9800998ecf8427e-67.data~2freads.bam',
    '?referenceName=chr1&start=5&end=10&format=BAM',
    '?class=header&format=cram',
    '?tags=MD,NM&notags=XX&fields=QNAME',
  ],
  words: ['~2f', '~', '.', '-', '&start=', '&end=', '&referenceName=*', 'class=header', '4294967296', '%00'],
  async run(input) {
    const id = parseDrsId(input);
    if (id !== null) {
      const again = parseDrsId(formatDrsId(id));
      must(JSON.stringify(again) === JSON.stringify(id), 'an id that does not lead back');
    }
    const url = URL.parse(`http://host/reads/x${input.startsWith('?') ? input : `?${input}`}`);
    if (url === null) return 'no address';
    const query = await refusing(() => readHtsgetQuery(new Request('http://host/'), url, 'reads'));
    must(
      query.regions === null || query.regions.every(({ start, end }) => start <= end),
      'a region that ends before it begins',
    );
    return `${id !== null} ${query.headerOnly} ${query.regions?.length}`;
  },
};
