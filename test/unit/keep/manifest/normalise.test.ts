import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stripSignature } from '../../../../src/keep/locator.ts';
import { normalise, readTree } from '../../../../src/keep/manifest/normalise.ts';
import { portableDataHash } from '../../../../src/keep/manifest/portable-data-hash.ts';
import { printManifest } from '../../../../src/keep/manifest/print.ts';
import { rewriteLocators } from '../../../../src/keep/manifest/rewrite.ts';
import {
  appendSegment,
  directoryAt,
  emptyDirectory,
  fileAt,
  type ManifestDirectory,
} from '../../../../src/keep/manifest/tree.ts';
import { createSigner } from '../../../../src/keep/signature.ts';
import { chunksOf, textOf } from '../../../support/chunks.ts';
import vectors from '../../../vectors/manifests.json' with { type: 'json' };

const bare = (locator: string) => locator.split('+').slice(0, 2).join('+');
const md5 = (text: string) => createHash('md5').update(text).digest('hex');

test.each(vectors.examples)('$name has the portable data hash $portableDataHash', async (example) => {
  for (const size of [1, 7, 65_536]) {
    expect(await portableDataHash(chunksOf(example.text, size))).toBe(example.portableDataHash);
  }
});

const readable = vectors.examples.filter(({ normalised }) => normalised !== null);
test.each(readable)('$name is normalised as it should be', async ({ text, normalised, normalisedPortableDataHash }) => {
  const stripped = await textOf(rewriteLocators(chunksOf(text), bare));
  const printed = await textOf(normalise(chunksOf(stripped)));
  expect(printed).toBe(normalised);
  expect(await portableDataHash(chunksOf(printed))).toBe(normalisedPortableDataHash);
});

const component = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 6, unit: 'binary' }),
    fc.constantFrom('a', 'b', 'a-b', '...', 'Ａ', '😀', ' '),
  )
  .map((name) => name.toWellFormed().replaceAll('/', '_'))
  .filter((name) => name !== '.' && name !== '..');
const block = fc.integer({ min: 1, max: 20 }).map((size) => ({ locator: `${md5(`${size}`)}+${size}`, size }));
const segment = fc.tuple(block, fc.nat(), fc.nat()).map(([{ locator, size }, from, length]) => {
  const offset = from % size;
  return { locator, blockSize: size, offset, length: 1 + (length % (size - offset)) };
});
const entry = fc.record({
  path: fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
  segments: fc.option(fc.array(segment, { maxLength: 4 }), { nil: null }),
});
/** Any tree, with empty files and empty directories; entries that clash with earlier ones are left out. */
const tree = fc.array(entry, { maxLength: 12 }).map((entries) => {
  const root = emptyDirectory();
  for (const { path, segments } of entries) {
    try {
      if (segments === null) directoryAt(root, path);
      else for (const chunk of [...segments, { ...dummy, length: 0 }]) appendSegment(fileAt(root, path), chunk);
    } catch {}
  }
  return root;
});
const dummy = { locator: `${md5('1')}+1`, blockSize: 1, offset: 0 };

/** The same tree with neighbouring chunks of one block joined, which is how it reads after printing. */
function joined(directory: ManifestDirectory): unknown {
  return Array.from(directory.entries, ([name, node]) => {
    if (node.kind === 'directory') return [name, joined(node)];
    const chunks = node.segments.map((chunk) => ({ ...chunk }));
    for (let i = chunks.length - 1; i > 0; i--) {
      const [before, here] = [chunks[i - 1]!, chunks[i]!];
      if (before.locator === here.locator && before.offset + before.length === here.offset) {
        before.length += here.length;
        chunks.splice(i, 1);
      }
    }
    return [name, chunks];
  }).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}

test('a printed tree reads as the same tree', async () => {
  await fc.assert(
    fc.asyncProperty(tree, async (root) => {
      expect(joined(await readTree(printManifest(root)))).toEqual(joined(root));
    }),
    { numRuns: 300 },
  );
});

test('normalising what is normalised changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(tree, async (root) => {
      const text = await textOf(printManifest(root));
      expect(await textOf(normalise(chunksOf(text)))).toBe(text);
    }),
  );
});

test('signing and stripping give the same text back, and the portable data hash never sees a hint', async () => {
  const sign = createSigner('token', 0x7fffffff, { key: 'key', ttlSeconds: 3600 });
  await fc.assert(
    fc.asyncProperty(tree, fc.integer({ min: 1, max: 100 }), async (root, size) => {
      const text = await textOf(printManifest(root));
      const signed = await textOf(rewriteLocators(chunksOf(text, size), sign));
      expect(signed.match(/\+A/g)?.length).toBe(text.match(/ [0-9a-f]{32}\+/g)?.length);
      expect(await textOf(rewriteLocators(chunksOf(signed, size), stripSignature))).toBe(text);
      const hash = `${md5(text)}+${Buffer.byteLength(text)}`;
      expect(await portableDataHash(chunksOf(text, size))).toBe(hash);
      expect(await portableDataHash(chunksOf(signed, size))).toBe(hash);
    }),
  );
});

test('only locators are rewritten: not a stream or a file that looks like one, nor what is broken off', async () => {
  const hash = md5('');
  const text = `${hash}+0 ${hash}+0 ${hash}+0+Z 0:0:${hash}+0 ${hash}0\n${hash} ${hash} 0:0:x ${hash}+0`;
  for (const size of [1, 33, 65_536]) {
    expect(await textOf(rewriteLocators(chunksOf(text, size), () => 'X'))).toBe(
      `${hash}+0 X X 0:0:${hash}+0 ${hash}0\n${hash} X 0:0:x ${hash}+0`,
    );
  }
});

test('a large line streams through in small chunks', async () => {
  const line = `. ${`${md5('x')}+1 `.repeat(50_000)}0:50000:f\n`;
  let largest = 0;
  let total = 0;
  for await (const chunk of rewriteLocators([new TextEncoder().encode(line)], (locator) => `${locator}+Z`)) {
    largest = Math.max(largest, chunk.length);
    total += chunk.length;
  }
  expect(total).toBe(line.length + 2 * 50_000);
  expect(largest).toBeLessThan(100_000);
});

test('a path cannot be a file and a directory, nor have a component that is empty, . or ..', () => {
  const root = emptyDirectory();
  fileAt(root, 'a/b');
  for (const path of ['a', 'a/b/c', '', '/x', 'x/', 'x//y', '.', 'x/../y']) {
    expect(() => fileAt(root, path), path).toThrowError(expect.objectContaining({ code: 'invalid_record' }));
  }
  expect(() => directoryAt(root, 'a/b')).toThrowError(/file and a directory/);
  expect([...root.entries.keys()].filter((name) => name !== 'x')).toEqual(['a']);
});

test('a deep path neither overflows the stack nor changes', async () => {
  const root = emptyDirectory();
  const path = 'd/'.repeat(20_000);
  fileAt(root, `${path}f`);
  const text = await textOf(printManifest(root));
  expect(text).toBe(`./${path.slice(0, -1)} d41d8cd98f00b204e9800998ecf8427e+0 0:0:f\n`);
});
