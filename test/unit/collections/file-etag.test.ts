import { describe, expect, test } from 'vitest';
import { etagOfRanges, fileEtag } from '../../../src/collections/file-etag.ts';
import { type FileTree, findNode } from '../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../src/collections/file-tree-builder.ts';
import { md5Hex } from '../../../src/keep/md5.ts';

const SIZE = 10;
const locator = (i: number) => `${md5Hex(`block ${i}`)}+${SIZE}`;
const locators = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => locator(from + i)).join(' ');
const treeOf = async (manifest: string) => (await buildFileTree([new TextEncoder().encode(manifest)])).tree;
const etagOf = async (manifest: string, path = 'f') => {
  const tree = await treeOf(manifest);
  return fileEtag(tree, findNode(tree, path) ?? -1);
};

describe('the ETag of a file', () => {
  test('is the same for the same parts of the same blocks, wherever they stand in a manifest', async () => {
    const file = await etagOf(`. ${locators(100, 500)} 3:3990:f\n`);
    expect(file).toMatch(/^"[0-9a-f]{32}"$/);
    for (const manifest of [
      // Behind other blocks, with another file, in a directory.
      `. ${locators(0, 700)} 1003:3990:f 0:7000:all\n`,
      `. ${locators(0, 100)} 0:5:other\n. ${locators(100, 500)} 3:3990:f\n`,
      // In two segments that continue each other, on one line and on two.
      `. ${locators(100, 500)} 3:1000:f 1003:2990:f\n`,
      `. ${locators(100, 300)} 3:1997:f\n. ${locators(300, 500)} 0:1993:f\n`,
      `. ${locators(100, 300)} ${locator(9)} ${locators(300, 500)} 3:1997:f 2010:1993:f\n`,
      // Empty blocks add nothing.
      `. ${locators(100, 300)} d41d8cd98f00b204e9800998ecf8427e+0 ${locators(300, 500)} 3:3990:f\n`,
    ])
      expect([manifest.length, await etagOf(manifest)]).toEqual([manifest.length, file]);
  });

  test('is the one foretold from the ranges that it will be made of', async () => {
    const range = (i: number, offset: number, length: number) => ({ locator: locator(i), offset, length });
    const whole = Array.from({ length: 398 }, (_, i) => range(101 + i, 0, SIZE));
    const ranges = [range(100, 3, 2), range(100, 5, 5), ...whole, range(499, 0, 3), range(7, 0, 0), range(499, 3, 4)];
    expect(etagOfRanges(ranges)).toBe(await etagOf(`. ${locators(100, 500)} 3:3994:f\n`));
    expect(etagOfRanges([range(1, 0, 4), range(1, 4, 6)])).toBe(await etagOf(`. ${locator(1)} 0:10:f\n`));
    expect(etagOfRanges([])).toBe(await etagOf(`. ${locator(1)} 0:0:f\n`));
  });

  test('is another for other bytes', async () => {
    const seen = new Set<string>();
    const manifests = [
      `. ${locators(0, 300)} 0:3000:f\n`,
      `. ${locators(0, 300)} 0:2999:f\n`,
      `. ${locators(0, 300)} 1:2999:f\n`,
      `. ${locators(0, 300)} 0:2990:f\n`,
      `. ${locators(0, 300)} 10:2990:f\n`,
      `. ${locators(0, 300)} 0:1500:f 1500:0:f 1510:1490:f\n`,
      `. ${locators(1, 150)} ${locator(0)} ${locators(150, 300)} 0:3000:f\n`,
      `. ${locators(0, 299)} ${locator(300)} 0:3000:f\n`,
      `. ${locator(0)} 0:0:f\n`,
      `. ${locator(0)} 0:1:f\n`,
      `. ${locator(0)} 1:1:f\n`,
      `. ${locator(0)} 0:1:f 0:1:f\n`,
    ];
    for (const manifest of manifests) seen.add(await etagOf(manifest));
    expect(seen.size).toBe(manifests.length);
  });

  test('of m files that each span n blocks costs n + m, not n x m', async () => {
    const [n, m] = [2000, 2000];
    const files = Array.from({ length: m }, (_, i) => `${i % 7}:${n * SIZE - 20}:f${i}`).join(' ');
    const tree = await treeOf(`. ${locators(0, n)} ${files}\n`);
    let reads = 0;
    const hashes = new Proxy(tree.hashes, {
      get(target, key) {
        reads++;
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const counted: FileTree = { ...tree, hashes };
    for (let i = 0; i < m; i++) await fileEtag(counted, findNode(tree, `f${i}`) ?? -1);
    // 16 bytes a block, and up to 66 blocks for each file.
    expect(reads).toBeLessThan(16 * (n + 70 * m));
  });
});
