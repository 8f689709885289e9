import { expect, test, vi } from 'vitest';
import { findNode, nodePath } from '../../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../../src/collections/file-tree-builder.ts';
import { chooseFiles, readArchiveRequest } from '../../../../src/surfaces/keep-web/archive-request.ts';
import { readFields } from '../../../../src/surfaces/keep-web/request-fields.ts';

const DEPTH = 1000;
const deep = Array.from({ length: DEPTH }, (_, i) => `d${i}`).join('/');
const built = buildFileTree([
  new TextEncoder().encode(
    `./${deep} acbd18db4cc2f85cedef654fccc4a4d8+3 0:3:a 0:1:b\n./${deep}/sub acbd18db4cc2f85cedef654fccc4a4d8+3 0:3:c\n`,
  ),
]);

test('paths are looked up from the directory that was asked, however deep it is', async () => {
  const { tree } = await built;
  const directory = findNode(tree, deep) ?? -1;
  const chosen = async (files: string[]) =>
    [...(await chooseFiles(tree, directory, files)).nodes].map((node) => nodePath(tree, node, directory));
  await expect(chosen(['a', 'sub/'])).resolves.toEqual(['a', 'sub/c']);
  await expect(chosen(['/'])).resolves.toEqual(['a', 'b', 'sub/c']);
  await expect(chosen(['d1'])).rejects.toThrow('does not exist');
  const decoded = vi.spyOn(TextDecoder.prototype, 'decode');
  try {
    await expect(chosen(Array.from({ length: 1000 }, () => 'b'))).resolves.toEqual(['b']);
    expect(decoded.mock.calls.length).toBeLessThan(20 * DEPTH);
  } finally {
    decoded.mockRestore();
  }
});

test('looking up many paths gives others their turn', async () => {
  const { tree } = await built;
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await chooseFiles(
    tree,
    findNode(tree, deep) ?? -1,
    Array.from({ length: 30_000 }, () => 'sub/c'),
  );
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
});

test('a list in JSON has no more paths than a form may have', async () => {
  const ask = async (count: number) => {
    const url = 'http://host/';
    const body = JSON.stringify({ files: Array.from({ length: count }, () => 'a') });
    const request = new Request(url, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
    return readArchiveRequest(await readFields(request, new URL(url)));
  };
  await expect(ask(50_000)).resolves.toMatchObject({ metadata: false });
  await expect(ask(50_001)).rejects.toMatchObject({ code: 'bad_request' });
});
