import { describe, expect, test } from 'vitest';
import { type FileTree, findNode } from '../../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../../src/collections/file-tree-builder.ts';
import type { OpenBlock } from '../../../../src/files/file-parts.ts';
import { md5Hex } from '../../../../src/keep/md5.ts';
import { concatenate } from '../../../../src/streams/concat.ts';
import { zipArchive } from '../../../../src/streams/zip/archive.ts';
import { crc32 } from '../../../../src/streams/zip/crc32.ts';
import { archiveFiles } from '../../../../src/surfaces/keep-web/archive-files.ts';
import { createBook } from '../../../../src/surfaces/keep-web/checksum-book.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const never = new AbortController().signal;
const BLOCKS = ['the first block', 'the second block', 'small files: one two three'];
const [A, B, C] = BLOCKS.map((text) => `${md5Hex(text)}+${text.length}`);
const LONG = BLOCKS[0]! + BLOCKS[1]!.slice(0, 10);
const CONTENTS = [LONG, 'one', 'two'];

async function setup(kept: ArrayBuffer | null = null) {
  const { tree } = await buildFileTree([utf8(`. ${A} ${B} ${C} 0:25:long 44:3:one 48:3:two\n`)]);
  const reads: string[] = [];
  let saved: ArrayBuffer | null = null;
  const open: OpenBlock = async ({ hash }, { offset, length }) => {
    reads.push(`${BLOCKS.findIndex((text) => md5Hex(text) === hash)}:${offset}+${length}`);
    const text = BLOCKS.find((block) => md5Hex(block) === hash) ?? '';
    return new Response(text.slice(offset, offset + length)).body as ReadableStream<Uint8Array>;
  };
  const book = createBook(tree, kept, async (bytes) => {
    saved = bytes.slice(0);
  });
  const nodes = ['long', 'one', 'two'].map((name) => findNode(tree, name) ?? -1);
  const entries = CONTENTS.map((text, i) => ({ name: utf8(['long', 'one', 'two'][i]!), size: text.length }));
  const archive = zipArchive(entries, '', archiveFiles(tree, nodes, open, book));
  const read = async (offset: number, length = archive.length - offset) =>
    new Uint8Array(
      await new Response(concatenate(archive.slice({ offset, length }), length, never).body).arrayBuffer(),
    );
  return { tree, reads, book, archive, read, nodes, saved: () => saved };
}

const crcsIn = (tree: FileTree, book: { file(node: number): number | null }, nodes: number[]) => {
  expect(tree.nodeCount).toBe(4);
  return nodes.map((node) => book.file(node));
};

describe('the files of an archive', () => {
  test('are read once each, and their checksums known when they have been sent', async () => {
    const { tree, reads, book, read, nodes } = await setup();
    const whole = await read(0);
    expect(reads).toEqual(['0:0+15', '1:0+10', '2:13+3', '2:17+3']);
    expect(crcsIn(tree, book, nodes)).toEqual(CONTENTS.map((text) => crc32(utf8(text))));
    // The checksum behind the first file, and in the directory.
    const descriptor = 30 + 4 + LONG.length;
    expect(new DataView(whole.buffer).getUint32(descriptor + 4, true)).toBe(crc32(utf8(LONG)));
  });

  test('are read again for their checksums when a reader resumes behind them, whole blocks not twice', async () => {
    const first = await setup();
    const whole = await first.read(0);
    const resumed = await setup();
    // From inside the first file's second block.
    const offset = 30 + 4 + 20;
    expect(await resumed.read(offset)).toEqual(whole.slice(offset));
    expect(resumed.reads).toEqual(['1:5+5', '0:0+15', '1:0+10', '2:13+3', '2:17+3']);
    // Once more: nothing but what is sent is read.
    resumed.reads.length = 0;
    expect(await resumed.read(offset)).toEqual(whole.slice(offset));
    expect(resumed.reads).toEqual(['1:5+5', '2:13+3', '2:17+3']);
  });

  test('keep their checksums for other isolates', async () => {
    const first = await setup();
    const whole = await first.read(0);
    await first.book.save();
    const kept = first.saved();
    expect(kept).not.toBeNull();
    const other = await setup(kept);
    expect(await other.read(whole.length - 40)).toEqual(whole.slice(-40));
    expect(other.reads).toEqual([]);
    const foreign = await setup(new ArrayBuffer(3));
    expect(foreign.book.file(1)).toBeNull();
  });
});
