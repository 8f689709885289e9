import { describe, expect, test } from 'vitest';
import { type FileTree, findNode, nodeName, nodeSize } from '../../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../../src/collections/file-tree-builder.ts';
import type { OpenBlock } from '../../../../src/files/file-parts.ts';
import { md5Hex } from '../../../../src/keep/md5.ts';
import { concatenate } from '../../../../src/streams/concat.ts';
import { shareReads } from '../../../../src/streams/shared-reads.ts';
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

  test('that lie one behind the other in a block are sent by one read, and any range of them is the same', async () => {
    const text = Array.from({ length: 300 }, (_, i) => `content of file ${i}`).join('');
    const files = Array.from({ length: 300 }, (_, i) => ({
      name: `f${String(i).padStart(3, '0')}`,
      text: `content of file ${i}`,
    }));
    let at = 0;
    const segments = files.map(({ name, text: own }) => {
      at += own.length;
      return `${at - own.length}:${own.length}:${name}`;
    });
    const { tree } = await buildFileTree([
      utf8(
        `. ${md5Hex(text)}+${text.length} ${segments.slice(0, 100).join(' ')} 0:0:f100a ${segments.slice(100).join(' ')}\n`,
      ),
    ]);
    const reads: string[] = [];
    const open: OpenBlock = async (_block, { offset, length }) => {
      reads.push(`${offset}+${length}`);
      return new Response(text.slice(offset, offset + length)).body as ReadableStream<Uint8Array>;
    };
    const nodes = [...files.map(({ name }) => name), 'f100a'].sort().map((name) => findNode(tree, name) ?? -1);
    const entries = nodes.map((node) => ({ name: utf8(nodeName(tree, node)), size: nodeSize(tree, node) }));
    const archive = zipArchive(
      entries,
      '',
      archiveFiles(
        tree,
        nodes,
        open,
        createBook(tree, null, async () => {}),
      ),
    );
    const read = async (offset: number, length: number) => {
      const parts = shareReads(() => archive.slice({ offset, length })).parts;
      return new Uint8Array(await new Response(concatenate(parts, length, never).body).arrayBuffer());
    };
    const parts = [...archive.slice({ offset: 0, length: archive.length })];
    // One part for all files; the directory's are for 128 files each.
    expect(parts.length).toBe(1 + 3 + 1);
    const whole = await read(0, archive.length);
    expect(reads).toEqual([`0+${text.length}`]);
    const alone = zipArchive(entries, '', {
      ...archiveFiles(
        tree,
        nodes,
        open,
        createBook(tree, null, async () => {}),
      ),
      row: () => null,
    });
    const plain = await new Response(
      concatenate(alone.slice({ offset: 0, length: archive.length }), archive.length, never).body,
    ).arrayBuffer();
    expect(whole).toEqual(new Uint8Array(plain));
    for (const [offset, length] of [
      [1, 100],
      [5000, 9000],
      [29, archive.length - 29],
      [0, 12_345],
    ] as const)
      expect(await read(offset, length)).toEqual(whole.slice(offset, offset + length));
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
