import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildBrowser } from '../../dev/build-browser.ts';
import { fileLine, placesOf, readManifest } from '../../src/browser/upload-manifest.ts';
import { planBlocks } from '../../src/keep/plan-blocks.ts';
import { renderMarkdown } from '../../src/surfaces/workspace/markdown.ts';
import { parseProperties, propertiesText } from '../../src/surfaces/workspace/properties-text.ts';
import { parseTable } from '../../src/surfaces/workspace/text-table.ts';

const BUDGET_BYTES = 60 * 1024;

describe('the scripts of the pages', () => {
  let out: string;
  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), 'keep-edge-assets-'));
    await buildBrowser(out);
  });
  afterAll(() => rm(out, { recursive: true, force: true }));

  test.each([['listing.js'], ['listing.js', 'upload.js', 'hash-worker.js'], ['listing.js', 'genome.js']])(
    'that a page loads first (%s ...) are at most 60 KiB compressed',
    async (...names) => {
      const sizes = await Promise.all(names.map(async (name) => gzipSync(await readFile(join(out, name))).length));
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(BUDGET_BYTES);
    },
  );
});

test('an upload names each file in one line, whatever its name, and reads back what it wrote', () => {
  const MIB = 1024 * 1024;
  const files = [{ size: 0 }, { size: 130 * MIB }, { size: 7 }, { size: 9 }];
  const paths = ['empty', 'a b/größe 100 %.bin', 'x\\y:z', 'a b/c'];
  const blocks = [...planBlocks(files)];
  const locators = blocks.map(({ size }, i) => `${String(i).repeat(32)}+${size}+Asig@1`);
  const places = placesOf(files.length, blocks);
  const text = paths.map((path, i) => fileLine(path, places[i] ?? [], locators)).join('');
  expect(text.split('\n')).toHaveLength(5);
  expect([...readManifest(text).sizes]).toEqual(paths.map((path, i) => [path, files[i]?.size]));
});

test('properties are written as lines and read back as they were', () => {
  const properties = {
    run: 7,
    name: 'x',
    'odd: name': '7',
    list: [1, 'a'],
    yes: true,
    empty: '',
    ' space': ' x ',
    nothing: null,
  };
  expect(parseProperties(propertiesText(properties))).toEqual(properties);
  expect(() => parseProperties('no colon')).toThrow('no colon');
  expect(() => parseProperties('"a" b: c')).toThrow('not of the form');
  expect(() => parseProperties(': c')).toThrow('not of the form');
  expect(parseProperties(' "a:\\"" : b:c \nd :\n')).toEqual({ 'a:"': 'b:c', d: '' });
  expect(parseProperties(`a${' '.repeat(200_000)}: b`)).toEqual({ a: 'b' });
});

test('a table is read with quotes, breaks and either separator, and without its last line where it was cut', () => {
  expect(parseTable('a;b\n"x;y";"1\n2"\nlast;ro', 't.csv', 10, true)).toEqual({
    head: ['a', 'b'],
    rows: [['x;y', '1\n2']],
  });
  expect(parseTable('a\tb\r\n1\t\r\n', 't.tsv', 10, false)).toEqual({ head: ['a', 'b'], rows: [['1', '']] });
});

test.each([
  ['<img src=x onerror=alert(1)>', '&lt;img'],
  ['[x](javascript:alert(1))', '[x](javascript:alert(1))'],
  ['![p](https://elsewhere.example/p.png)', '<a href="https://elsewhere.example/p.png"'],
  ['![p](p.png)', '<img src="/c=u/p.png"'],
  ['[t](t.csv)', 'href="/c=u/t.csv?preview"'],
])('Markdown %s becomes %s', (text, html) => {
  expect(renderMarkdown(text, '/c=u/').text).toContain(html);
});
