import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildFileTree } from '../../../../src/collections/file-tree-builder.ts';
import { isKeepError } from '../../../../src/keep/errors.ts';
import { MAX_TOKEN_BYTES } from '../../../../src/keep/manifest/line-tokens.ts';
import { readTree } from '../../../../src/keep/manifest/normalise.ts';
import { type ManifestHandler, parseManifest } from '../../../../src/keep/manifest/parse.ts';
import { pathText, placeText } from '../../../../src/keep/manifest/places.ts';
import { type ManifestRules, READ_RULES, STORE_RULES } from '../../../../src/keep/manifest/rules.ts';
import { chunksOf } from '../../../support/chunks.ts';
import vectors from '../../../vectors/manifests.json' with { type: 'json' };

const FOO = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
const BAR = '37b51d194a7513e45b56f6524f2d51f2+3';

type Event = [keyof ManifestHandler, ...(string | number | null)[]];

async function events(text: string | Uint8Array, rules: ManifestRules, chunkSize?: number): Promise<Event[]> {
  const seen: Event[] = [];
  const handler: ManifestHandler = {
    stream: (place) => seen.push(['stream', placeText(place)]),
    block: (...all) => seen.push(['block', ...all]),
    segment: (path, ...all) => seen.push(['segment', pathText(path), ...all]),
    directory: (place) => seen.push(['directory', placeText(place)]),
  };
  await parseManifest(chunksOf(text, chunkSize), handler, rules);
  return seen;
}

async function outcome(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return 'ok';
  } catch (error) {
    return isKeepError(error) ? error.code : String(error);
  }
}

test('a manifest is told in its order, with whole decoded paths', async () => {
  const text = `. ${FOO}+Z ${BAR} 0:3:foo 1:5:a\\040b/c\n./d\\072e ${FOO} 0:3:foo\n./empty ${FOO} 0:0:\\056\n`;
  for (const rules of [STORE_RULES, READ_RULES]) {
    expect(await events(text, rules)).toEqual([
      ['stream', ''],
      ['block', `${FOO}+Z`, 3],
      ['block', BAR, 3],
      ['segment', 'foo', 0, 3],
      ['segment', 'a b/c', 1, 5],
      ['stream', 'd:e'],
      ['block', FOO, 3],
      ['segment', 'd:e/foo', 0, 3],
      ['stream', 'empty'],
      ['block', FOO, 3],
      ['directory', 'empty'],
    ]);
  }
});

test('the reader’s rules resolve odd paths, the store’s refuse them', async () => {
  const text = `x//./y/.. ${FOO} 0:3:/a//./b/../c 0:0:e/. 0:0:\\\\n\\400\n`;
  expect(await events(text, READ_RULES)).toEqual([
    ['stream', 'x'],
    ['block', FOO, 3],
    ['segment', 'x/a/c', 0, 3],
    ['directory', 'x/e'],
    ['segment', 'x/\\n\\400', 0, 0],
  ]);
  expect(await outcome(() => events(text, STORE_RULES))).toBe('invalid_record');
});

test('the same name in another stream is another path, and in the same one again the same', async () => {
  const line = (name: string) => `${name} ${FOO} 0:1:f 1:1:f 2:1:f\n`;
  const paths = (await events(line('.') + line('./a') + line('.'), STORE_RULES))
    .filter(([kind]) => kind === 'segment')
    .map(([, path]) => path);
  expect(paths).toEqual(['f', 'f', 'f', 'a/f', 'a/f', 'a/f', 'f', 'f', 'f']);
});

test('names stay apart, however many there are in a stream and however often they come back', async () => {
  const names = Array.from({ length: 20_000 }, (_, n) => `f${n}`);
  const tokens = [...names, ...names].map((name) => `0:1:${name}`).join(' ');
  const paths = (await events(`./d ${FOO} ${tokens}\n`, STORE_RULES)).slice(2).map(([, path]) => path);
  expect(paths).toEqual([...names, ...names].map((name) => `d/${name}`));
});

test('the data of one line is not the data of the next', async () => {
  expect(await outcome(() => events(`. ${FOO} 0:3:a\n. ${FOO} 0:4:b\n`, READ_RULES))).toBe('unreadable_manifest');
});

test('a locator without size has size null where it is allowed', async () => {
  const hash = FOO.slice(0, 32);
  expect((await events(`. ${hash}+Z 0:0:f\n`, STORE_RULES))[1]).toEqual(['block', `${hash}+Z`, null]);
});

describe.each(vectors.judged)('$about', ({ text, stored, readable }) => {
  test(stored ? 'can be stored' : 'is refused with 422', async () => {
    expect(await outcome(() => events(text, STORE_RULES))).toBe(stored ? 'ok' : 'invalid_record');
  });
  test(readable ? 'can be read' : 'cannot be read', async () => {
    expect(await outcome(() => readTree(chunksOf(text)))).toBe(readable ? 'ok' : 'unreadable_manifest');
  });
});

test('names that are not UTF-8 are refused for storing and kept apart for reading', async () => {
  const text = Uint8Array.from(Buffer.from(`. ${FOO} 0:3:a\xff 0:3:a\xfe 0:3:\xef\xbb\xbfbom\n`, 'latin1'));
  expect(await outcome(() => events(text, STORE_RULES))).toBe('invalid_record');
  expect((await events(text, READ_RULES)).slice(2).map(([, path]) => path)).toEqual([
    'a\udcff',
    'a\udcfe',
    '\ufeffbom',
  ]);
});

test('an error says line, token and what is wrong, but no signature', async () => {
  const signature = 'A0d4d1040e55b93e2d758550ccb702fd8c0340890@7fffffff';
  const bad = (text: string) => events(text, STORE_RULES);
  const line = `. ${FOO} 0:3:foo\n`;
  await expect(bad(`${line}. ${FOO} 0:3:a//b\n`)).rejects.toThrowError(
    'manifest line 2, token 3: a name must not begin or end with / or contain //: "a//b"',
  );
  await expect(bad(`${line}. ${FOO}!+${signature} 0:3:a\n`)).rejects.toThrowError(
    `manifest line 2, token 2: not a block locator: "${FOO}!"`,
  );
  await expect(bad(line.trimEnd())).rejects.toThrowError(/^manifest line 1, token \d: the last line must end/);
  await expect(bad(`${line}${line}.\n`)).rejects.toThrowError(/^manifest line 3, token 1: a line needs/);
});

test('a token may be long, but not without end', async () => {
  const name = 'n'.repeat(MAX_TOKEN_BYTES - 4);
  expect((await events(`. ${FOO} 0:3:${name}\n`, STORE_RULES, 1000)).at(-1)).toEqual(['segment', name, 0, 3]);
  expect(await outcome(() => events(`. ${FOO} 0:3:${name}x`, READ_RULES, 1000))).toBe('unreadable_manifest');
});

test('however a manifest is cut into chunks, the same is told', async () => {
  const text = vectors.examples.map((example) => example.text).join('');
  const whole = await events(text, STORE_RULES);
  expect(whole.length).toBeGreaterThan(60);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 200 }), async (size) => {
      expect(await events(text, STORE_RULES, size)).toEqual(whole);
    }),
  );
});

test('no bytes make the parser throw anything but its own KeepError', async () => {
  const token = fc.oneof(
    fc.constantFrom('.', './a', FOO, `${FOO}+Z`, '0:3:f', '0:0:.', '\\057', '..', ':', '+', '\\', '\n', ' '),
    fc.string({ unit: 'binary', maxLength: 5 }),
  );
  const texts = fc.array(token).map((tokens) => `${tokens.join(' ')}\n`);
  await fc.assert(
    fc.asyncProperty(fc.oneof(texts, fc.uint8Array()), async (text) => {
      expect(['ok', 'invalid_record']).toContain(await outcome(() => events(text, STORE_RULES)));
      expect(['ok', 'unreadable_manifest']).toContain(await outcome(() => events(text, READ_RULES)));
    }),
    { numRuns: 1000 },
  );
});

test('names share their directory, so that 200 KB cannot spell out gigabytes', async () => {
  const [depth, files] = [100_000, 4000];
  const names = Array.from({ length: files }, (_, i) => `0:1:f${i}`).join(' ');
  const text = `./${'d/'.repeat(depth)}e ${FOO} ${names} 0:1:x/y\n`;
  const directories = new Set<unknown>();
  await parseManifest(chunksOf(text), { segment: ({ directory }) => directories.add(directory) }, READ_RULES);
  expect(directories.size).toBe(2);
  const { tree } = await buildFileTree(chunksOf(text));
  expect(tree.nodeCount).toBe(1 + depth + 1 + files + 2);
  expect((await readTree(chunksOf(text))).entries.size).toBe(1);
});
