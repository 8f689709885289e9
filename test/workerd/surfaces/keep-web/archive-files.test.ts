import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FileTree, findNode, nodeName, nodeSize } from '../../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../../src/collections/file-tree-builder.ts';
import { blockSource, type OpenBlock } from '../../../../src/files/file-parts.ts';
import { md5Hex } from '../../../../src/keep/md5.ts';
import { concatenate } from '../../../../src/streams/concat.ts';
import type { Part } from '../../../../src/streams/part.ts';
import { pipeChunks } from '../../../../src/streams/pipe-chunks.ts';
import { shareReads } from '../../../../src/streams/shared-reads.ts';
import { zipArchive } from '../../../../src/streams/zip/archive.ts';
import { archiveFiles } from '../../../../src/surfaces/keep-web/archive-files.ts';
import { createBook } from '../../../../src/surfaces/keep-web/checksum-book.ts';
import { computeChecksums } from '../../../../src/surfaces/keep-web/file-checksums.ts';
import { zipEntries } from '../../../support/zip-entries.ts';
import { randomBlock } from '../../support/bytes.ts';

const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i]);
const utf8 = (text: string) => new TextEncoder().encode(text);
const never = new AbortController().signal;
const BLOCKS = ['the first block', 'the second block', 'small files: one two three'];
const [A, B, C] = BLOCKS.map((text) => `${md5Hex(text)}+${text.length}`);
const LONG = BLOCKS[0]! + BLOCKS[1]!.slice(0, 10);
const CONTENTS = [LONG, 'one', 'two'];

async function setup(kept: ArrayBuffer | null = null) {
  const { tree } = await buildFileTree([utf8(`. ${A} ${B} ${C} 0:25:long 44:3:one 48:3:two\n`)]);
  const reads: string[] = [];
  const open: OpenBlock = async ({ hash }, { offset, length }) => {
    reads.push(`${BLOCKS.findIndex((text) => md5Hex(text) === hash)}:${offset}+${length}`);
    const text = BLOCKS.find((block) => md5Hex(block) === hash) ?? '';
    return new Response(text.slice(offset, offset + length)).body as ReadableStream<Uint8Array>;
  };
  const book = createBook(tree, kept, async () => {});
  const nodes = ['long', 'one', 'two'].map((name) => findNode(tree, name) ?? -1);
  const entries = zipEntries(CONTENTS.map((text, i) => ({ name: ['long', 'one', 'two'][i]!, size: text.length })));
  const archive = zipArchive(entries, '', archiveFiles(tree, nodes, open, book));
  const read = async (offset: number, length = archive.length - offset) =>
    new Uint8Array(
      await new Response(concatenate(archive.slice({ offset, length }), length, never).body).arrayBuffer(),
    );
  return { tree, reads, book, archive, read, nodes };
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
    const entries = zipEntries(nodes.map((node) => ({ name: nodeName(tree, node), size: nodeSize(tree, node) })));
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

  test('come out right whatever their sizes and order, however they are read', async () => {
    const made = await Promise.all([1_500_000, 1_500_001].map(randomBlock));
    const contents = made.map(({ data }) => data);
    const blocks = made.map(({ hash, data }) => `${hash}+${data.length}`);
    const starts = [0, 1_500_000];
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            size: fc.oneof(fc.constant(0), fc.nat(300), fc.nat(60_000), fc.nat(700_000)),
            block: fc.nat(1),
            // Where the file before ended, or anywhere.
            at: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 5 }),
          }),
          { minLength: 1, maxLength: 60 },
        ),
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.constantFrom(2 ** 15, 2 ** 17, 2 ** 19),
        async (list, isMoved, from, rowBytes) => {
          const ends = [0, 0];
          const files = list.map(({ size, block, at }, i) => {
            const room = contents[block]!.length - size;
            const offset = at === null ? Math.min(ends[block]!, room) : Math.floor(at * room);
            ends[block] = offset + size;
            return { name: `f${String(i).padStart(3, '0')}`, size, block, offset };
          });
          const text = files.map(({ name, size, block, offset }) => `${starts[block]! + offset}:${size}:${name}`);
          const { tree } = await buildFileTree([utf8(`. ${blocks.join(' ')} ${text.join(' ')}\n`)]);
          const open: OpenBlock = async ({ hash }, { offset, length }) => {
            const bytes = contents[blocks.findIndex((block) => block.startsWith(hash))]!;
            const body = new Response(bytes.subarray(offset, offset + length)).body as ReadableStream<Uint8Array>;
            return isMoved ? pipeChunks(body) : body;
          };
          const nodes = files.map(({ name }) => findNode(tree, name) ?? -1);
          const book = createBook(tree, null, async () => {});
          const archive = zipArchive(zipEntries(files), '', archiveFiles(tree, nodes, open, book), () => rowBytes);
          const expected = zipArchive(zipEntries(files), '', {
            slice: (i, range) => {
              const start = files[i]!.offset + range.offset;
              return [contents[files[i]!.block]!.subarray(start, start + range.length)];
            },
            checksum: async (i) => crc32(dataOf(i)),
            checksums: async (first, end) =>
              Uint32Array.from({ length: end - first }, (_, i) => crc32(dataOf(first + i))),
          });
          function dataOf(i: number): Uint8Array {
            const { block, offset, size } = files[i]!;
            return contents[block]!.subarray(offset, offset + size);
          }
          const read = async (parts: Iterable<Part>, length = archive.length) =>
            new Uint8Array(await new Response(concatenate(parts, length, never).body).arrayBuffer());
          const whole = { offset: 0, length: archive.length };
          const wanted = await read(expected.slice(whole));
          // Reads shared among the files or not, checksums known (the second time) or not.
          for (const shared of [true, false, true]) {
            const parts = shared ? shareReads(() => archive.slice(whole)).parts : archive.slice(whole);
            expect(same(await read(parts), wanted)).toBe(true);
          }
          // A part of it, and a reader that takes its time.
          const offset = Math.floor(from * archive.length);
          const length = archive.length - offset;
          const part = shareReads(() => archive.slice({ offset, length })).parts;
          expect(same(await read(part, length), wanted.subarray(offset))).toBe(true);
          const slow = concatenate(shareReads(() => archive.slice(whole)).parts, archive.length, never).body.getReader({
            mode: 'byob',
          });
          for (let at = 0; at < archive.length; ) {
            await scheduler.wait(1);
            const { value } = await slow.readAtLeast(1, new Uint8Array(100_000));
            expect(same(value ?? new Uint8Array(0), wanted.subarray(at, at + (value?.byteLength ?? 0)))).toBe(true);
            at += value?.byteLength ?? 1;
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('that are empty are made together, without a look at those behind', async () => {
    const count = 20_000;
    const names = Array.from({ length: count }, (_, i) => `f${String(i).padStart(5, '0')}`);
    const manifest = `. ${md5Hex('')}+0 ${names.map((name) => `0:0:${name}`).join(' ')}\n`;
    const { tree } = await buildFileTree([utf8(manifest)]);
    const nodes = names.map((name) => findNode(tree, name) ?? -1);
    const open: OpenBlock = () => Promise.reject(new Error('nothing to read'));
    const files = archiveFiles(
      tree,
      nodes,
      open,
      createBook(tree, null, async () => {}),
    );
    const sizes = zipEntries(nodes.map((node) => ({ name: nodeName(tree, node), size: 0 })));
    let looks = 0;
    const counted = { ...sizes, sizeOf: (entry: number) => sizes.sizeOf(entry) * (looks++ && 1) };
    const archive = zipArchive(counted, '', files);
    const parts = [...archive.slice({ offset: 0, length: archive.length })];
    const perRow = Math.floor((512 * 1024) / (30 + 6 + 16));
    expect(parts.length).toBe(Math.ceil(count / perRow) + Math.ceil(count / 128) + 1);
    expect(looks).toBeLessThan(count * 20);
  });

  test('keep their checksums for other isolates', async () => {
    // Five bytes for each of four nodes and three blocks.
    const kept = new ArrayBuffer(35);
    const whole = await (await setup(kept)).read(0);
    const other = await setup(kept);
    expect(await other.read(whole.length - 40)).toEqual(whole.slice(-40));
    expect(other.reads).toEqual([]);
  });

  test('are worth keeping when there is much to compute, or much to read', async () => {
    const size = 2 ** 26;
    const { tree } = await buildFileTree([utf8(`. ${'a'.repeat(32)}+${size} 0:${size}:large 0:100:small\n`)]);
    let kept: ArrayBuffer | null = null;
    const book = createBook(tree, null, async (bytes) => {
      kept = bytes.slice(0);
    });
    const [large, small] = ['large', 'small'].map((name) => findNode(tree, name) ?? -1);
    book.noteFile(small!, 1);
    await book.save();
    expect(kept).toBeNull();
    book.noteFile(large!, 2);
    await book.save();
    const other = createBook(tree, kept, async () => {});
    expect([other.file(small!), other.file(large!)]).toEqual([1, 2]);
    const foreign = createBook(tree, new ArrayBuffer(3), async () => {});
    expect(foreign.file(small!)).toBeNull();
  });

  test.each([
    ['each in a block of its own', false, true],
    ['in rows', true, false],
  ])('of a few bytes have checksums worth keeping or not: %s', async (_, isInRow, isKept) => {
    const lines = Array.from({ length: 200 }, (__, i) => `. ${md5Hex(`${i}`)}+300 0:300:f${i}\n`);
    const { tree } = await buildFileTree([utf8(lines.join(''))]);
    let saved = 0;
    const book = createBook(tree, null, async () => void saved++);
    for (let node = 1; node <= 200; node++) book.noteFile(node, node, isInRow);
    await book.save();
    expect(saved).toBe(isKept ? 1 : 0);
  });
});

describe('checksums of files that were not sent', () => {
  test('are right for files of more segments than are computed at once, in memory that is shared', async () => {
    const blocks = [await randomBlock(200_000), await randomBlock(200_000)];
    const contents = blocks.map(({ data }) => data);
    const locators = blocks.map(({ hash }) => `${hash}+200000`);
    const whole = Buffer.concat(contents);
    const random = (i: number, room: number) => (i * 7919 * 31 + 17) % room;
    const segments = Array.from({ length: 9000 }, (_, i) => ({ at: random(i, whole.length - 30), size: 1 + (i % 30) }));
    const text = segments.map(({ at, size }, i) => `${at}:${size}:${i % 3 === 0 ? 'small' : 'large'}`).join(' ');
    const { tree } = await buildFileTree([utf8(`. ${locators.join(' ')} ${text} 0:400000:all 5:9:one\n`)]);
    const source = blockSource(tree, async ({ number }, { offset, length }) => {
      const bytes = contents[number]!.slice(offset, offset + length);
      return new Response(bytes).body as ReadableStream<Uint8Array>;
    });
    const contentOf = (keeps: (i: number) => boolean) =>
      Buffer.concat(segments.filter((_, i) => keeps(i)).map(({ at, size }) => whole.subarray(at, at + size)));
    const expected = {
      small: contentOf((i) => i % 3 === 0),
      large: contentOf((i) => i % 3 !== 0),
      all: whole,
      one: whole.subarray(5, 14),
    };
    const nodes = Object.keys(expected).map((name) => findNode(tree, name) ?? -1);
    for (const available of [0, 48 << 20]) {
      const held: number[] = [];
      const book = createBook(tree, null, async () => {});
      await computeChecksums(tree, nodes, source, book, never, {
        available: () => available,
        set: (bytes) => held.push(bytes),
        release: () => held.push(0),
      });
      expect(nodes.map((node) => book.file(node))).toEqual(Object.values(expected).map((bytes) => crc32(bytes)));
      expect(held.at(-1)).toBe(0);
      if (available === 0) expect(Math.max(...held)).toBeLessThan(2 ** 20);
    }
  });
});
