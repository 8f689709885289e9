import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import {
  blockHash,
  blockHints,
  entriesOf,
  type FileTree,
  fileSegments,
  filesBelow,
  findNode,
  isDirectory,
  nodeName,
  nodePath,
  nodeSize,
} from '../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../src/collections/file-tree-builder.ts';
import { readTree } from '../../../src/collections/file-tree-format.ts';
import { escapeName } from '../../../src/keep/manifest/names.ts';
import { md5Hex } from '../../../src/keep/md5.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const F = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
const B = '37b51d194a7513e45b56f6524f2d51f2+3';
const FB = '3858f62230ac3c915f300c664312c63f+6';
const EMPTY = 'd41d8cd98f00b204e9800998ecf8427e+0';
const CONTENT: Record<string, string> = {
  [F.slice(0, 32)]: 'foo',
  [B.slice(0, 32)]: 'bar',
  [FB.slice(0, 32)]: 'foobar',
};

const build = async (text: string) => (await buildFileTree([utf8(text)])).tree;

function read(tree: FileTree, path: string, range?: { offset: number; length: number }, content = CONTENT): string {
  const node = findNode(tree, path);
  if (node === null) throw new Error(`no ${path}`);
  return [...fileSegments(tree, node, range ?? { offset: 0, length: nodeSize(tree, node) })]
    .map(({ block, offset, length, blockSize }) => {
      const data = content[blockHash(tree, block)] ?? '';
      expect(blockSize).toBe(data.length);
      expect(length).toBeGreaterThan(0);
      return data.slice(offset, offset + length);
    })
    .join('');
}

const list = (tree: FileTree) => [...filesBelow(tree, 0)].map((node) => nodePath(tree, node));

describe('a file tree', () => {
  test('of an empty manifest is an empty root', async () => {
    const tree = await build('');
    expect([isDirectory(tree, 0), [...entriesOf(tree, 0)], nodeSize(tree, 0)]).toEqual([true, [], 0]);
  });

  /** Manifests and the files in them. */
  test.each<[string, string, Record<string, string>]>([
    ['one file', `. ${F} 0:3:foo\n`, { foo: 'foo' }],
    ['an empty file', `. ${EMPTY} 0:0:empty.txt\n`, { 'empty.txt': '' }],
    ['escaped names', `./My\\040Dir ${F} 0:3:a\\040b\\072c\\134d.txt\n`, { 'My Dir/a b:c\\d.txt': 'foo' }],
    ['a file over two blocks', `. ${F} ${B} 0:6:foobar\n`, { foobar: 'foobar' }],
    ['files in one block', `. ${FB} 3:3:d/bar 0:3:foo\n`, { foo: 'foo', 'd/bar': 'bar' }],
    ['a file over two lines', `. ${F} 0:3:f\n. ${B} 0:3:f\n`, { f: 'foobar' }],
    ['a block listed twice', `. ${F} ${B} ${F} 0:9:f\n`, { f: 'foobarfoo' }],
    ['a file that begins inside a repeated block', `. ${F} ${F} 1:4:f\n`, { f: 'oofo' }],
    ['an empty block between', `. ${F} ${EMPTY} ${B} 1:4:f\n`, { f: 'ooba' }],
    ['an unsized empty block', '. d41d8cd98f00b204e9800998ecf8427e 0:0:foo.txt\n', { 'foo.txt': '' }],
    ['chunks out of order', `. ${FB} 3:3:f 0:3:f 0:1:g 5:1:f\n`, { f: 'barfoor', g: 'f' }],
  ])('finds %s', async (_, text, files) => {
    const tree = await build(text);
    expect(Object.fromEntries(list(tree).map((path) => [path, read(tree, path)]))).toEqual(files);
  });

  test('knows empty directories, and sums what is below each directory', async () => {
    const tree = await build(`. ${F} 0:3:foo\n./a/b ${FB} 0:6:x 0:2:y\n./empty ${EMPTY} 0:0:\\056\n`);
    expect([...entriesOf(tree, 0)].map((node) => nodeName(tree, node))).toEqual(['a', 'empty', 'foo']);
    const a = findNode(tree, 'a') ?? -1;
    expect([nodeSize(tree, a), tree.fileCounts[a]]).toEqual([8, 2]);
    expect([nodeSize(tree, 0), tree.fileCounts[0]]).toEqual([11, 3]);
    expect(nodePath(tree, findNode(tree, 'a/b/x') ?? -1, a)).toBe('b/x');
  });

  test('orders entries by bytes, not by UTF-16 units', async () => {
    const tree = await build(`. ${F} 0:3:😀 0:3:Ａ 0:3:z 0:3:a\n`);
    expect(list(tree)).toEqual(['a', 'z', 'Ａ', '😀']);
    expect(findNode(tree, '😀')).not.toBeNull();
  });

  test('does not climb, and finds nothing behind a file or for empty components', async () => {
    const tree = await build(`./a ${F} 0:3:foo\n`);
    for (const path of ['..', 'a/..', 'a/../a/foo', './a', 'a/', '/a', 'a//foo', 'a/foo/', 'a/foo/x', 'A', 'a/fo']) {
      expect([path, findNode(tree, path)]).toEqual([path, null]);
    }
  });

  test('drops local signatures, keeps other hints, and is not shared when blocks are remote', async () => {
    const signed = `${F}+A0123456789abcdef0123456789abcdef01234567@7fffffff`;
    const local = await buildFileTree([utf8(`. ${signed}+K@zzzzz ${B} 0:6:f\n`)]);
    expect(local.shareable).toBe(true);
    expect([0, 1].map((block) => blockHints(local.tree, block))).toEqual(['+K@zzzzz', '']);
    const remote = `+Rzzzzz-0123456789abcdef0123456789abcdef01234567@7fffffff`;
    const tree = await buildFileTree([utf8(`. ${F}${remote} 0:3:f\n`)]);
    expect([tree.shareable, blockHints(tree.tree, 0)]).toEqual([false, remote]);
  });

  test('lets a directory win over a file of the same path, in either order', async () => {
    for (const text of [`. ${F} 0:3:foo\n./foo ${F} 0:3:bar\n`, `./foo ${F} 0:3:bar\n. ${F} 0:3:foo\n`]) {
      expect(list(await build(text))).toEqual(['foo/bar']);
    }
  });

  test.each([`. ${F} 0:4:foo\n`, `. ${F} 0:3:foo`, '. abcdef0123456789abcdef0123456789ab 0:1:f\n', 'rubbish\n'])(
    'is not made of %j',
    async (text) => {
      await expect(build(text)).rejects.toMatchObject({ code: 'unreadable_manifest' });
    },
  );

  test('cuts a file of more than 4 GiB in one chunk and reads it right', async () => {
    const size = 0x3fffffff;
    const count = 12;
    const hash = 'a'.repeat(32);
    const blocks = Array.from({ length: count }, () => `${hash}+${size}`).join(' ');
    const tree = await build(`. ${blocks} 5:${size * count - 5}:big\n`);
    const node = findNode(tree, 'big') ?? -1;
    expect(nodeSize(tree, node)).toBe(size * count - 5);
    const offset = 9 * size - 7;
    expect([...fileSegments(tree, node, { offset, length: 10 })]).toEqual([
      { block: 8, blockSize: size, offset: size - 2, length: 2 },
      { block: 9, blockSize: size, offset: 0, length: 8 },
    ]);
  });

  test('finds a range far behind in a file of many segments without going through those before', async () => {
    const count = 20_000;
    const sizes = Array.from({ length: count }, (_, i) => 1 + (i % 7));
    const text = sizes.map((size, i) => `${(i * 7919) % 90_000}:${size}:big`).join(' ');
    const tree = await build(`. ${'a'.repeat(32)}+100000 ${text} 0:5:other\n`);
    const node = findNode(tree, 'big') ?? -1;
    const all = [...fileSegments(tree, node, { offset: 0, length: nodeSize(tree, node) })];
    expect(all.map(({ length }) => length)).toEqual(sizes);
    const ranged = (offset: number, length: number) => [...fileSegments(tree, node, { offset, length })];
    let offset = 0;
    for (const [i, size] of sizes.entries()) {
      if (i % 1024 < 2 || i % 1024 > 1022 || i === count - 1)
        expect(ranged(offset, size)).toEqual([{ ...all[i], blockSize: 100_000 }]);
      offset += size;
    }
    let looked = 0;
    const counted = new Proxy(tree.extentLengths, {
      get: (lengths, key) => {
        looked++;
        return Reflect.get(lengths, key);
      },
    });
    const watched = { ...tree, extentLengths: counted };
    expect([...fileSegments(watched, node, { offset: offset - 9, length: 5 })].length).toBeGreaterThan(0);
    for (let i = 0; i < 256; i++)
      expect([...fileSegments(watched, node, { offset: offset - 1 - i, length: 1 })]).toHaveLength(1);
    expect(looked).toBeLessThan(count + 257 * 1100);
  });

  test('survives being kept as bytes; other bytes are refused', async () => {
    const tree = await build(`./a ${F} 0:3:ä\n. ${B}+K@zzzzz 1:2:b\n`);
    const again = readTree(tree.buffer.slice(0));
    expect(again).toEqual(tree);
    expect(read(again as FileTree, 'a/ä')).toBe('foo');
    expect(readTree(new ArrayBuffer(0))).toBeNull();
    expect(readTree(new ArrayBuffer(4096))).toBeNull();
    expect(readTree(tree.buffer.slice(0, tree.buffer.byteLength - 8))).toBeNull();
  });

  test('agrees with a plain reading of random manifests, whole and in ranges', async () => {
    const data = fc.array(fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme-ascii' }), {
      minLength: 1,
      maxLength: 5,
    });
    const line = fc.record({
      directory: fc.constantFrom('.', './d', './d/e', './ä'),
      data,
      tokens: fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'x y', 'sub/c'), a: fc.nat(70), b: fc.nat(70) }), {
        minLength: 1,
        maxLength: 6,
      }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 6 }), fc.nat(1000), fc.nat(1000), async (lines, x, y) => {
        const content: Record<string, string> = {};
        const files = new Map<string, string>();
        let text = '';
        for (const { directory, data, tokens } of lines) {
          for (const block of data) content[md5Hex(block)] = block;
          const stream = data.join('');
          const parts = tokens.map(({ name, a, b }) => {
            const position = a % (stream.length + 1);
            const length = b % (stream.length - position + 1);
            const path = `${directory}/${name}`.slice(2);
            files.set(path, (files.get(path) ?? '') + stream.slice(position, position + length));
            return `${position}:${length}:${escapeName(name)}`;
          });
          text += `${[directory, ...data.map((block) => `${md5Hex(block)}+${block.length}`), ...parts].join(' ')}\n`;
        }
        const tree = await build(text);
        expect(list(tree).sort()).toEqual([...files.keys()].sort());
        for (const [path, whole] of files) {
          expect(read(tree, path, undefined, content)).toBe(whole);
          const offset = x % (whole.length + 1);
          const length = y % (whole.length - offset + 1);
          expect(read(tree, path, { offset, length }, content)).toBe(whole.slice(offset, offset + length));
        }
      }),
    );
  });
});

describe('building a tree', () => {
  test('of many names in no order gives others their turn, and puts them in order', async () => {
    const count = 60_000;
    const names = Array.from({ length: count }, (_, i) => `${(i * 7919) % count}`);
    let turns = 0;
    let on = true;
    const tick = () => {
      turns++;
      if (on) setImmediate(tick);
    };
    const text = `. ${'a'.repeat(32)}+${count} ${names.map((name, i) => `${i}:1:${name}`).join(' ')}\n`;
    const chunk = new TextEncoder().encode(text);
    const sorts = vi.spyOn(Array.prototype, 'sort');
    setImmediate(tick);
    const { tree } = await buildFileTree([chunk]);
    on = false;
    expect(Math.max(...sorts.mock.contexts.map((list) => (list as unknown[]).length))).toBeLessThanOrEqual(4096);
    sorts.mockRestore();
    expect(turns).toBeGreaterThan(20);
    expect(tree.counts[0]).toBe(count);
    const found = [...entriesOf(tree, 0)].map((node) => nodeName(tree, node));
    expect(found).toEqual(names.sort());
  });
});
