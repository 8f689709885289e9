import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SegmentReplacement } from '../../../src/collections/edit/edits.ts';
import { planSegments, rewriteSegments } from '../../../src/collections/edit/segments.ts';
import { segmentMap, segmentReplacements } from '../../../src/collections/replace-segments.ts';
import { ManifestParser } from '../../../src/keep/manifest/parse.ts';
import { type FilePath, pathText, placeText } from '../../../src/keep/manifest/places.ts';
import { READ_RULES } from '../../../src/keep/manifest/rules.ts';

/** Blocks of known bytes: digits and letters, so that files can be compared. */
const CONTENT = new Map<string, string>();
function block(text: string): string {
  const locator = `${CONTENT.size.toString(16).padStart(32, '0')}+${text.length}`;
  CONTENT.set(locator, text);
  return locator;
}
const SMALL = ['a', 'bcd', 'efghi'].map(block);
const OTHER = ['0123', '45'].map(block);
const PACKED = block('XXabcdefghiYY');

function contents(text: string): Map<string, string> {
  const files = new Map<string, string>();
  let data = '';
  const parser = new ManifestParser(
    {
      stream: () => {
        data = '';
      },
      block: (locator) => {
        data += CONTENT.get(locator) ?? '';
      },
      segment: (path: FilePath, position, length) => {
        const name = pathText(path);
        files.set(name, (files.get(name) ?? '') + data.slice(position, position + length));
      },
      directory: (place) => files.set(`${placeText(place)}/`, ''),
    },
    READ_RULES,
  );
  parser.push(new TextEncoder().encode(text));
  parser.end();
  return files;
}

async function rewritten(text: string, replacements: SegmentReplacement[], chunk = 7): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const chunks = () =>
    Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, i) => bytes.subarray(i * chunk, (i + 1) * chunk));
  const map = await segmentMap(chunks(), replacements);
  const changed = await planSegments(chunks(), map);
  const parts: Uint8Array[] = [];
  for await (const part of rewriteSegments(chunks(), map, changed)) parts.push(part.slice());
  return Buffer.concat(parts).toString();
}

/** Every range of the small blocks that a text has, at its place in the packed one. */
function packing(text: string): SegmentReplacement[] {
  const starts = new Map([
    [SMALL[0], 2],
    [SMALL[1], 3],
    [SMALL[2], 6],
  ]);
  const all = new Map<string, SegmentReplacement>();
  let blocks: string[] = [];
  const parser = new ManifestParser(
    {
      stream: () => {
        blocks = [];
      },
      block: (locator) => void blocks.push(locator),
      segment: (_, position, length) => {
        let at = 0;
        for (const locator of blocks) {
          const size = Number(locator.split('+')[1]);
          const [from, to] = [Math.max(position, at), Math.min(position + length, at + size)];
          const start = starts.get(locator);
          if (to > from && start !== undefined) {
            const [offset, to_] = [from - at, { locator: PACKED, offset: start + from - at }];
            all.set(`${locator} ${offset} ${to - from}`, { block: locator, offset, length: to - from, to: to_ });
          }
          at += size;
        }
      },
    },
    READ_RULES,
  );
  parser.push(new TextEncoder().encode(text));
  parser.end();
  return [...all.values()];
}

const line = fc
  .record({
    name: fc.constantFrom('.', './d', './d/e', './x\\040y'),
    blocks: fc.array(fc.constantFrom(...SMALL, ...OTHER), { minLength: 1, maxLength: 6 }),
    files: fc.array(
      fc.tuple(fc.nat(20), fc.nat(20), fc.constantFrom('f', 'g', 'sub/h', 'sub/deep/i', 'n\\040m', '\\056')),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ name, blocks, files }) => {
    const size = blocks.reduce((sum, locator) => sum + Number(locator.split('+')[1]), 0);
    const tokens = files.map(([a, b, file]) => {
      if (file === '\\056') return '0:0:\\056';
      const [from, to] = [Math.min(a, b, size), Math.min(Math.max(a, b), size)];
      return `${from}:${to - from}:${file}`;
    });
    return `${[name, ...blocks, ...tokens].join(' ')}\n`;
  });

test('files have the same bytes when their segments lie elsewhere, and use no block that was replaced', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 4 }), fc.integer({ min: 1, max: 50 }), async (lines, chunk) => {
      const text = lines.join('');
      const after = await rewritten(text, packing(text), chunk);
      expect(contents(after)).toEqual(contents(text));
      expect(packing(after)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('a segment that is not there keeps all others out of the same new block, and only those', async () => {
  const [a, b] = [SMALL[0] ?? '', SMALL[1] ?? ''];
  const text = `. ${a} ${b} 0:1:a 1:3:b\n`;
  const other = block('a');
  const to = (locator: string, offset: number) => ({ locator, offset });
  const kept = await rewritten(text, [
    { block: a, offset: 0, length: 1, to: to(PACKED, 2) },
    { block: b, offset: 0, length: 2, to: to(PACKED, 3) },
  ]);
  expect(kept).toBe(text);
  expect(
    await rewritten(text, [
      { block: a, offset: 0, length: 1, to: to(other, 0) },
      { block: b, offset: 0, length: 2, to: to(PACKED, 3) },
    ]),
  ).toBe(`. ${b} ${other} 3:1:a 0:3:b\n`);
});

test('neighbours in the new block are one token again', async () => {
  const text = `. ${SMALL.join(' ')} 0:9:f\n`;
  expect(await rewritten(text, packing(text))).toBe(`. ${PACKED} 2:9:f\n`);
});

test('what is no segment, has another length, or lies outside its block is refused', () => {
  const [a] = SMALL;
  const bad: [string, unknown][] = [
    [`${a}`, `${PACKED} 0 1`],
    [`${a} 0 1`, `${PACKED} 0 2`],
    [`${a} 0 1`, `${PACKED} 13 1`],
    [`${a} 0 0`, `${PACKED} 0 0`],
    [`${a} 0 1`, 7],
    [`${a}  0 1`, `${PACKED} 0 1`],
  ];
  for (const [from, to] of bad) expect(() => segmentReplacements({ [from]: to }, null)).toThrow();
  for (const wrong of [[], 'x', null]) expect(() => segmentReplacements(wrong, null)).toThrow();
  expect(segmentReplacements({ [`${a}+Aaa@bb 0 1`]: `${PACKED}+Acc@dd 2 1` }, null)).toEqual([
    { block: a, offset: 0, length: 1, to: { locator: PACKED, offset: 2 } },
  ]);
});
