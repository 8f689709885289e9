import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { FileView } from '../../../../src/pages/views.ts';
import { type FileKind, fileKind } from '../../../../src/surfaces/workspace/file-kind.ts';
import { previewOf } from '../../../../src/surfaces/workspace/previews.ts';

const MIB = 1024 * 1024;

/** What a page shows of a file with this name and content. */
async function shown(name: string, content: Uint8Array | string, type = ''): Promise<string> {
  const bytes = Buffer.from(content);
  const view = {
    name,
    href: `/${name}`,
    size: bytes.byteLength,
    type,
    read: async (most: number) => new Uint8Array(bytes.subarray(0, most)),
  } as FileView;
  return (await previewOf(fileKind(name, type), view)).body.text;
}

const cells = (html: string) =>
  [...html.matchAll(/<t[hd][^>]*>([^<]*)<\/t[hd]>/g)].map(([, text = '']) => text.replace(/&(quot|#34);/g, '"'));

describe('a table', () => {
  test.each([
    ['with a byte order mark', 't.csv', '\ufeffa,b\n1,2\n', ['a', 'b', '1', '2']],
    ['in UTF-16', 't.csv', Buffer.from('\ufeffgröße,b\n1,2\n', 'utf16le'), ['größe', 'b', '1', '2']],
    ['in Latin 1', 't.csv', Buffer.from('größe,b\n1,2\n', 'latin1'), ['größe', 'b', '1', '2']],
    ['compressed', 't.csv.gz', gzipSync('a,b\n1,2\n'), ['a', 'b', '1', '2']],
    [
      'with quotes that only begin a field',
      't.tsv',
      'a\tb\n5"\t"x\n"y"z\t"q ""r"""\n',
      ['a', 'b', '5"', '"x', '"y"z', 'q "r"'],
    ],
  ])('%s is read', async (_, name, content, expected) => {
    expect(cells(await shown(name, content))).toEqual(expected);
  });

  test('whose first row is longer than what is read still shows its columns, and a line without end its text', async () => {
    expect(cells(await shown('t.csv', `a,b\n${'x'.repeat(3 * MIB)},2\n`))).toEqual(['a', 'b']);
    expect(await shown('t.csv', 'x'.repeat(3 * MIB))).toContain('<pre');
  });

  test('with a cell of many lines stays small', async () => {
    const html = await shown('t.csv', `a,b\n"${'line\n'.repeat(50_000)}",2\n`);
    expect(html.length).toBeLessThan(5000);
  });

  test('of 300,000 rows shows the first 500, compressed or not', async () => {
    const text = `n\n${Array.from({ length: 300_000 }, (_, i) => `${i}\n`).join('')}`;
    for (const html of [await shown('t.csv', text), await shown('t.csv.gz', gzipSync(text))]) {
      expect(html).toContain('The first 500 rows');
      expect(cells(html)).toHaveLength(501);
    }
  });
});

test.each(['t.csv', 't.json', 't.txt', 't.md', 't.parquet', 't.png', 't.mp4', 't'])(
  'an empty %s is said to be empty',
  async (name) => {
    expect(await shown(name, '', name === 't.png' ? 'image/png' : '')).toContain('This file is empty');
  },
);

test('gzip that holds a hundred times its size is read to the first MiB', async () => {
  const html = await shown('zeros.txt.gz', gzipSync('0'.repeat(200 * MIB)));
  expect(html.length).toBeLessThan(1.2 * MIB);
  expect(html).toContain('Only the beginning');
});

test('what only seems to be gzip, or holds no text, is not shown', async () => {
  expect(await shown('t.csv.gz', Buffer.from('1f8b0800ffffffff', 'hex'))).toContain('cannot be shown');
  expect(await shown('reads.fastq.gz', gzipSync('@r\nACGT\n+\nFFFF\n'))).toContain('ACGT');
  expect(await shown('archive.tar.gz', gzipSync(Buffer.alloc(2000)))).toContain('cannot be shown');
});

test.each<[string, string, FileKind]>([
  ['a.vcf.gz', 'application/gzip', 'genome'],
  ['a.png.gz', 'application/gzip', 'unknown'],
  ['a.html.gz', 'application/gzip', 'unknown'],
  ['a.tiff', 'image/tiff', 'unknown'],
  ['a.svg', 'image/svg+xml', 'image'],
  ['a.JSON', 'application/json', 'json'],
  ['Snakefile', 'application/octet-stream', 'unknown'],
])('%s of type %s is %s', (name, type, kind) => {
  expect(fileKind(name, type)).toBe(kind);
});
