import { describe, expect, test } from 'vitest';
import { findNode } from '../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../src/collections/file-tree-builder.ts';
import { objectEtag, objectEtagOfRanges } from '../../../src/collections/object-etag.ts';
import { md5Hex } from '../../../src/keep/md5.ts';

const A = md5Hex('a');
const B = md5Hex('b');
const MANIFEST = `. ${A}+10 d41d8cd98f00b204e9800998ecf8427e+0 ${B}+10 0:10:one 10:4:split 14:6:split 0:20:both 3:4:part 0:0:empty 10:10:two 0:10:two\n`;

describe('the ETag that S3 clients see', () => {
  test.each([
    ['one', `"${A}"`, [{ locator: `${A}+10`, offset: 0, length: 10 }]],
    // Two segments that are one block together.
    ['split', `"${B}"`, [{ locator: `${B}+10+Rzzzzz-x`, offset: 0, length: 10 }]],
    ['empty', '"d41d8cd98f00b204e9800998ecf8427e"', []],
  ])('of %s is the MD5 of the content, which is one block', async (path, etag, ranges) => {
    const { tree } = await buildFileTree([new TextEncoder().encode(MANIFEST)]);
    expect(await objectEtag(tree, findNode(tree, path) ?? -1)).toBe(etag);
    expect(objectEtagOfRanges(ranges)).toBe(etag);
  });

  test.each([
    [
      'both',
      [
        { locator: `${A}+10`, offset: 0, length: 10 },
        { locator: `${B}+10`, offset: 0, length: 10 },
      ],
    ],
    ['part', [{ locator: `${A}+10`, offset: 3, length: 4 }]],
    [
      'two',
      [
        { locator: `${B}+10`, offset: 0, length: 10 },
        { locator: `${A}+10`, offset: 0, length: 10 },
      ],
    ],
  ])('of %s has a dash, so that no client takes it for an MD5', async (path, ranges) => {
    const { tree } = await buildFileTree([new TextEncoder().encode(MANIFEST)]);
    const etag = await objectEtag(tree, findNode(tree, path) ?? -1);
    expect(etag).toMatch(/^"[0-9a-f]{32}-1"$/);
    expect(objectEtagOfRanges(ranges)).toBe(etag);
  });
});
