import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildFileTree } from '../../../src/collections/file-tree-builder.ts';
import { KeyCursor } from '../../../src/collections/key-cursor.ts';
import { someKeys, somePath, sortedByBytes, treeOfKeys } from '../../support/key-trees.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const EMPTY = 'd41d8cd98f00b204e9800998ecf8427e+0';

function rest(cursor: KeyCursor): string[] {
  const found: string[] = [];
  for (let at = cursor.next(); at !== null; at = cursor.next()) found.push(Buffer.from(at.key).toString());
  return found;
}

test('files come in the order of the bytes of their keys, also where one name begins another', async () => {
  const files = ['a!', 'a-/x', 'a--/y', 'a-b', 'a.txt', 'a/1', 'a/2', 'a0', 'ab/c'];
  expect(rest(new KeyCursor(await treeOfKeys(files)))).toEqual(sortedByBytes(files));
});

test('from any place on, the keys are those of the sorted list that are there or behind it', async () => {
  await fc.assert(
    fc.asyncProperty(
      someKeys,
      fc.oneof(
        somePath,
        somePath.map((text) => `${text}/`),
        fc.string(),
      ),
      async (files, bound) => {
        const cursor = new KeyCursor(await treeOfKeys(files));
        expect(rest(cursor)).toEqual(files);
        for (const from of [bound, ...files, ...files.map((file) => `${file}\0`)]) {
          cursor.seek(utf8(from));
          expect(rest(cursor)).toEqual(
            files.filter((file) => Buffer.compare(Buffer.from(file), Buffer.from(from)) >= 0),
          );
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('an empty directory is a key with a slash, one with files in it is none', async () => {
  const tree = (await buildFileTree([utf8(`. ${EMPTY} 0:0:f\n./d ${EMPTY} 0:0:\\056\n./e/g ${EMPTY} 0:0:x\n`)])).tree;
  const cursor = new KeyCursor(tree);
  expect(rest(cursor)).toEqual(['d/', 'e/g/x', 'f']);
  cursor.seek(utf8('d/'));
  expect(rest(cursor)).toEqual(['d/', 'e/g/x', 'f']);
  cursor.seek(utf8('d/\0'));
  expect(rest(cursor)).toEqual(['e/g/x', 'f']);
});
