import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OpenCollection } from '../../../../src/collections/source.ts';
import { type KeySource, treeSource } from '../../../../src/surfaces/s3/key-source.ts';
import { listKeys, startAfter } from '../../../../src/surfaces/s3/list-keys.ts';
import { someKeys, somePath, sortedByBytes, treeOfKeys } from '../../../support/key-trees.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const COLLECTION = {} as OpenCollection;
const sourceOf = async (files: string[]): Promise<KeySource> => treeSource(COLLECTION, await treeOfKeys(files));

/** The listing as S3 describes it, made of the whole sorted list. */
function expected(files: string[], prefix: string, delimiter: string): string[] {
  const shown = files
    .filter((file) => file.startsWith(prefix))
    .map((file) => {
      const at = delimiter === '' ? -1 : file.indexOf(delimiter, prefix.length);
      return at < 0 ? file : `${file.slice(0, at + delimiter.length)}*`;
    });
  return [...new Set(shown)];
}

async function paged(source: KeySource, prefix: string, delimiter: string, maxKeys: number, byMarker: boolean) {
  const all: string[] = [];
  const grouping = { prefix: utf8(prefix), delimiter: utf8(delimiter) };
  for (let from: Uint8Array | null = new Uint8Array(); from !== null; ) {
    const page = await listKeys(source, { ...grouping, from, maxKeys });
    expect(page.items.length).toBeLessThanOrEqual(maxKeys);
    all.push(...page.items.map(({ kind, key }) => Buffer.from(key).toString() + (kind === 'prefix' ? '*' : '')));
    const last = page.items.at(-1);
    // Clients of the first version go on from the last key that they saw.
    from = page.next === null || last === undefined ? null : byMarker ? startAfter(last.key, grouping) : page.next;
  }
  return all;
}

describe('a paged listing', () => {
  test('is the whole sorted list: no key is lost, none comes twice, whatever prefix, delimiter and page', async () => {
    const prefix = fc.oneof(fc.constant(''), somePath, fc.constantFrom('a', 'a/', 'a-', 'b/', '-'));
    const delimiter = fc.constantFrom('', '/', '-', 'a', '/a', 'é', './');
    await fc.assert(
      fc.asyncProperty(someKeys, prefix, delimiter, fc.integer({ min: 1, max: 7 }), fc.boolean(), async (...asked) => {
        const [files, start, cut, maxKeys, byMarker] = asked;
        expect(await paged(await sourceOf(files), start, cut, maxKeys, byMarker)).toEqual(expected(files, start, cut));
      }),
      { numRuns: 500 },
    );
  });

  test('finds what begins with a prefix also beside a directory of a shorter name', async () => {
    const source = await sourceOf(sortedByBytes(['dir/x', 'dir-b.txt', 'dir.txt']));
    expect(await paged(source, 'dir-', '', 1, false)).toEqual(['dir-b.txt']);
    expect(await paged(source, '', '/', 1, true)).toEqual(['dir-b.txt', 'dir.txt', 'dir/*']);
  });

  test('of keys in deep directories ends pages by bytes, loses none, and holds nothing of what is grouped', async () => {
    const deep = Array.from({ length: 300 }, (_, i) => `${i}`.padStart(200, 'd')).join('/');
    const files = sortedByBytes(Array.from({ length: 60 }, (_, i) => `${String(i).padStart(3, '0')}/${deep}/f`));
    const source = await sourceOf(files);
    expect(await paged(source, '', '', 1000, false)).toEqual(files);
    const asked = { prefix: utf8(''), from: utf8(''), maxKeys: 1000 };
    const page = await listKeys(source, { ...asked, delimiter: utf8('') });
    expect(page.items.reduce((sum, { key }) => sum + key.length, 0)).toBeLessThan(1.2 * 2 ** 20);
    const grouped = await listKeys(source, { ...asked, delimiter: utf8('/') });
    expect(grouped.items).toHaveLength(60);
    expect(grouped.items.every(({ key }) => key.buffer.byteLength === key.length)).toBe(true);
  });

  test('of no keys at all is not truncated', async () => {
    const page = await listKeys(await sourceOf(['a']), {
      prefix: utf8(''),
      delimiter: utf8(''),
      from: utf8(''),
      maxKeys: 0,
    });
    expect(page).toEqual({ items: [], next: null });
  });

  test('costs the same wherever it begins: reads of the tree are counted', async () => {
    const files = Array.from(
      { length: 20_000 },
      (_, i) => `d${String(i % 100).padStart(3, '0')}/f${String(i).padStart(7, '0')}`,
    );
    const tree = await treeOfKeys(sortedByBytes(files));
    let reads = 0;
    const names = new Proxy(tree.names, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name === 'subarray') reads++;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const counted = treeSource(COLLECTION, { ...tree, names });
    const costs: number[] = [];
    for (const from of ['', 'd050/f0050050', 'd099/f0010']) {
      reads = 0;
      const page = await listKeys(counted, { prefix: utf8(''), delimiter: utf8(''), from: utf8(from), maxKeys: 100 });
      expect(page.items.length).toBeGreaterThan(50);
      costs.push(reads);
    }
    expect(Math.max(...costs)).toBeLessThan(600);
  });
});
