import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { manifestBlocks } from '../../../src/balance/manifest-blocks.ts';
import { mergedWords, mergeRuns } from '../../../src/balance/merge.ts';
import { RecordReader, writeRecords } from '../../../src/balance/record-reader.ts';
import { hashAt, REFERENCE_WORDS, ReferenceBuffer } from '../../../src/balance/references.ts';
import { UnnamedReader, UnnamedWriter } from '../../../src/balance/unnamed.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';

/** What merging asks of a store: whole objects in, ranges out. */
function memoryStore(): ObjectStore {
  const objects = new Map<string, Uint8Array<ArrayBuffer>>();
  const store: Pick<ObjectStore, 'get' | 'put'> = {
    async put(key, body, { size }) {
      objects.set(key, new Uint8Array(body as Uint8Array).slice());
      return { key, size, md5: null, modified: 0 };
    },
    async get(key, { range } = {}) {
      const bytes = objects.get(key);
      if (bytes === undefined) return null;
      const cut = range === undefined ? bytes : bytes.slice(range.offset, range.offset + range.length);
      return { key, size: bytes.byteLength, md5: null, modified: 0, body: new Blob([cut]).stream() };
    },
  };
  return store as ObjectStore;
}

/** Few different hashes, close together at either end, so that repetitions and borders come up. */
const hash = fc
  .tuple(fc.constantFrom('00000000', 'ffffffff', '7fffffff', '80000000'), fc.integer({ min: 0, max: 40 }))
  .map(([head, tail]) => `${head}${'0'.repeat(22)}${tail.toString(16).padStart(2, '0')}`);
const reference = fc.record({
  hash,
  size: fc.integer({ min: 1, max: 67_108_864 }),
  wants: fc.integer({ min: 0, max: 3 }),
  collection: fc.integer({ min: 0, max: 9 }),
});

async function runsOf(
  store: ObjectStore,
  parts: { hash: string; size: number; wants: number; collection: number }[][],
) {
  return Promise.all(
    parts.map((part, i) => {
      const buffer = new ReferenceBuffer(Math.max(part.length, 1));
      for (const { hash, size, wants, collection } of part) buffer.add(hash, size, wants, collection);
      return writeRecords(store, `run-${i}`, buffer.takeSorted(), REFERENCE_WORDS);
    }),
  );
}

describe('sorted runs', () => {
  test('merged, they give each block once, in hash order, with all that name it, from any hash on', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(reference, { maxLength: 60 }), { maxLength: 6 }),
        hash,
        async (parts, from) => {
          const store = memoryStore();
          const runs = await runsOf(store, parts);
          const found: { hash: string; size: number; wants: number[]; collections: number[] }[] = [];
          for await (const page of mergeRuns(store, runs, from, 3)) {
            for (const { collections, wants, ...block } of page)
              found.push({ ...block, wants: [...wants].sort(), collections: [...collections] });
          }
          const expected = new Map<string, { size: number; collections: Set<number> }>();
          for (const { hash, size, collection } of parts.flat()) {
            if (hash < from) continue;
            const block = expected.get(hash) ?? { size: 0, collections: new Set() };
            expected.set(hash, { size: Math.max(block.size, size), collections: block.collections.add(collection) });
          }
          expect(found.map((block) => block.hash)).toEqual([...expected.keys()].sort());
          for (const block of found)
            expect(block.collections).toEqual([...(expected.get(block.hash)?.collections ?? [])].sort((a, b) => a - b));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('several files become one without losing a reference', async () => {
    const store = memoryStore();
    const part = (seed: number) =>
      Array.from({ length: 50 }, (_, i) => ({
        hash: ((seed * 7919 + i * 104_729) % 65_521).toString(16).padStart(32, '0'),
        size: i + 1,
        wants: 0,
        collection: seed,
      }));
    const runs = await runsOf(store, [part(1), part(2), part(3)]);
    let count = 0;
    let last = '';
    for await (const words of mergedWords(store, runs)) {
      for (let at = 0; at < words.length; at += REFERENCE_WORDS) {
        expect(hashAt(words, at) >= last).toBe(true);
        last = hashAt(words, at);
        count++;
      }
    }
    expect(count).toBe(runs.reduce((sum, run) => sum + run.count, 0));
  });

  test('a reader finds the first record from a hash on, wherever the windows end', async () => {
    const store = memoryStore();
    const buffer = new ReferenceBuffer(500);
    for (let i = 0; i < 500; i++) buffer.add((i * 2).toString(16).padStart(32, '0'), 1, 0, 0);
    const file = await writeRecords(store, 'run', buffer.takeSorted(), REFERENCE_WORDS);
    for (const wanted of [0, 1, 2, 499, 500, 997, 998, 999]) {
      const reader = new RecordReader(store, file, REFERENCE_WORDS, 7);
      await reader.seek(wanted.toString(16).padStart(32, '0'));
      const expected = Math.ceil(wanted / 2) * 2;
      if (expected > 998) expect(reader.isEnded).toBe(true);
      else expect(hashAt(reader.words, reader.at)).toBe(expected.toString(16).padStart(32, '0'));
    }
  });
});

test('a block is remembered as unnamed since the run that first saw it so', async () => {
  const store = memoryStore();
  const writer = new UnnamedWriter(store);
  const name = (i: number) => i.toString(16).padStart(32, '0');
  for (let i = 0; i < 100; i += 2) writer.add(name(i), 1000 + i);
  const first = await writer.flush('a');
  for (let i = 100; i < 200; i += 2) writer.add(name(i), 1000 + i);
  const second = await writer.flush('b');
  const reader = new UnnamedReader(store, [first!, second!]);
  for (const i of [3, 4, 98, 99, 100, 150, 151, 198, 500]) {
    expect(await reader.since(name(i))).toBe(i % 2 === 0 && i < 200 ? 1000 + i : null);
  }
});

describe('blocks of a manifest', () => {
  const blocksOf = async (text: string, cut = text.length || 1) => {
    const bytes = new TextEncoder().encode(text);
    const chunks = Array.from({ length: Math.ceil(bytes.length / cut) }, (_, i) =>
      bytes.subarray(i * cut, (i + 1) * cut),
    );
    const blocks: string[] = [];
    await manifestBlocks(chunks, (hash, size) => blocks.push(`${hash}+${size}`));
    return blocks;
  };
  const A = 'acbd18db4cc2f85cedef654fccc4a4d8';
  const B = '37b51d194a7513e45b56f6524f2d51f2';
  const text = `. ${A}+3+Zhint ${B}+3 0:3:foo 3:3:bar\n./d d41d8cd98f00b204e9800998ecf8427e+0 ${A}+3 0:3:x\\040y\n`;

  test('are all told, wherever the text is cut, but for the empty block', async () => {
    for (let cut = 1; cut < 40; cut++) expect(await blocksOf(text, cut)).toEqual([`${A}+3`, `${B}+3`, `${A}+3`]);
  });

  test('a text that is cut short is refused: what it names is not known', async () => {
    for (let end = 1; end < text.length; end++) {
      const head = text.slice(0, end);
      if (head.endsWith('\n')) continue;
      await expect(blocksOf(head)).rejects.toThrow('not a manifest');
    }
  });
});
