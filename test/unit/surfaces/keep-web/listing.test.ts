import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatSize } from '../../../../src/pages/numbers.ts';
import {
  entryHref,
  type Listing,
  type ListingEntry,
  listingJson,
  parseSorting,
  plainListing,
  sortEntries,
} from '../../../../src/surfaces/keep-web/listing.ts';
import { listingPage, MAX_SORTED, PAGE_ROWS, pageRows } from '../../../../src/surfaces/keep-web/listing-page.ts';
import { hostileName } from '../../../support/hostile-names.ts';

const entry = (
  name: string,
  size: number | null,
  kind: ListingEntry['kind'] = 'file',
  type = 'text/plain',
): ListingEntry => ({
  kind,
  name,
  size,
  files: kind === 'directory' ? 1 : null,
  type: kind === 'file' ? type : null,
});
const ENTRIES = [
  entry('b', 5, 'file', 'image/png'),
  entry('a', 5),
  entry('Z', 70),
  entry('d', 9, 'directory'),
  entry('é', 1),
];
const listing = (entries: ListingEntry[], changes: Partial<Listing> = {}): Listing => ({
  name: 'files',
  crumbs: [],
  takesDetours: true,
  entries: () => entries,
  totals: { files: entries.length, bytes: 0, entries: entries.length },
  path: [],
  collection: { uuid: 'u', portable_data_hash: 'h+1', name: 'files', modified_at: '2026-01-02T03:04:05Z' },
  url: 'https://h/c=u/',
  depth: 1,
  ...changes,
});

async function textOf(texts: AsyncIterable<string>): Promise<string> {
  let all = '';
  for await (const text of texts) all += text;
  return all;
}

describe('a listing', () => {
  test.each([
    [null, 'd a b Z é'],
    ['name', 'd a b Z é'],
    ['-name', 'd é Z b a'],
    ['size', 'd é a b Z'],
    ['-size', 'd Z a b é'],
    ['type', 'd b a Z é'],
    ['-type', 'd a Z é b'],
    ['nonsense', 'd a b Z é'],
    ['-', 'd a b Z é'],
  ])('sorted by %s', (text, names) => {
    expect(
      sortEntries(ENTRIES, parseSorting(text))
        .map(({ name }) => name)
        .join(' '),
    ).toBe(names);
  });

  test('links to each entry from its own directory, whatever the name', () => {
    fc.assert(
      fc.property(hostileName({ minLength: 1, maxLength: 12 }), (name) => {
        const url = new URL(entryHref({ name, kind: 'file' }, { takesDetours: false }), 'https://host/c=u/dir/');
        expect(url.host).toBe('host');
        // Names of dots alone cannot be in a collection.
        if (!/^\.{1,2}$/.test(name)) expect(decodeURIComponent(url.pathname)).toBe(`/c=u/dir/${name}`);
      }),
    );
    expect(entryHref({ name: 'https://x', kind: 'directory' }, { takesDetours: true })).toBe('https%3A%2F%2Fx/');
  });

  test('as JSON says the same, and is JSON for any name', async () => {
    const hostile = ENTRIES.concat(entry('"\n\u2028</script>', 1));
    const read = JSON.parse(await textOf(listingJson(listing(hostile))));
    expect(read.collection.uuid).toBe('u');
    expect(read.entries).toEqual(hostile.map((one) => ({ ...one, href: entryHref(one, { takesDetours: true }) })));
    expect(JSON.parse(await textOf(listingJson(listing([])))).entries).toEqual([]);
  });

  test('goes over several pages when it is long, and keeps its order', async () => {
    const many = Array.from({ length: 2 * PAGE_ROWS + 1 }, (_, i) => entry(`f${String(i).padStart(5, '0')}`, i));
    const texts = await Promise.all(
      [0, 1, 2, 3].map(async (page) => (await listingPage(listing(many), parseSorting('-size'), page)).text()),
    );
    expect(texts.map((text) => text.split('class="item"').length - 1)).toEqual([PAGE_ROWS, PAGE_ROWS, 1, 0]);
    expect(texts[1]).toContain('href="?sort=-size&amp;page=3"');
    expect(texts[1]).toContain('Page 2 of 3');
  });

  test('orders numbers in names by their value', () => {
    const names = ['chr10', 'chr2', 'chr1', 'chr02', 'a', 'chrX', 'chr1_9', 'chr1_10', '10', '9', '007', 'é2', 'é10'];
    const sorted = sortEntries(
      names.map((name) => entry(name, 1)),
      parseSorting(null),
    ).map(({ name }) => name);
    expect(sorted.join(' ')).toBe('007 9 10 a chr1 chr1_9 chr1_10 chr02 chr2 chr10 chrX é2 é10');
  });

  test('for programs is whole, and links to its entries alone, by plain names', async () => {
    const many = Array.from({ length: 2 * PAGE_ROWS + 1 }, (_, i) => entry(`f<${i}`, i));
    const text = await textOf(plainListing(listing([entry('sub dir', 1, 'directory'), ...many])));
    const links = [...text.matchAll(/href="([^"]*)"/g)].map(([, href]) => href);
    expect(links).toEqual(['sub%20dir/', ...many.map(({ name }) => encodeURIComponent(name))]);
    expect(text).not.toContain('http');
  });

  test('of more entries than can be sorted shows each once, in the order of the bytes of their names', async () => {
    const many = Array.from({ length: MAX_SORTED + 1 }, (_, i) => entry(`f${String(i).padStart(9, '0')}`, i));
    const { rows, pages, sorting } = await pageRows(listing(many), parseSorting('size'), 7);
    expect([rows[0]?.name, rows.length, pages, sorting]).toEqual(['f000007000', PAGE_ROWS, 21, null]);
  });

  test('of very long names shows on a page what a page holds, and says what it leaves out', async () => {
    const long = (count: number, chars: number) =>
      Array.from({ length: count }, (_, i) => entry(`${String(i).padStart(6, '0')}${'&'.repeat(chars)}`, i));
    const some = await pageRows(listing(long(1500, 2000)), parseSorting('-name'), 0);
    expect(some.rows[0]?.name.slice(0, 6)).toBe('001499');
    expect(some.rows.reduce((sum, { name }) => sum + name.length, 0)).toBeLessThanOrEqual(256 * 1024);
    expect([some.rows.length + some.left, some.pages, some.sorting?.descending]).toEqual([PAGE_ROWS, 2, true]);
    // Too many characters to be sorted: in the order of the source.
    const many = await pageRows(listing(long(1500, 30_000)), parseSorting('-name'), 1);
    expect(many.rows[0]?.name.slice(0, 6)).toBe('001000');
    expect([many.rows.length, many.left, many.pages, many.sorting]).toEqual([8, 492, 2, null]);
    const text = await (await listingPage(listing(long(1500, 30_000)), parseSorting(null), 1)).text();
    expect(text).toContain('492 more of this page are left out');
    const usual = await pageRows(listing(long(PAGE_ROWS, 250)), parseSorting(null), 0);
    expect([usual.rows.length, usual.left]).toEqual([PAGE_ROWS, 0]);
  });

  test('selects a name that is not UTF-8 by its bytes', async () => {
    const text = await (await listingPage(listing([entry('M\udcdcller', 1)]), parseSorting(null), 0)).text();
    expect(text).toContain('name="encoded_files" value="M%DCller"');
    expect(text).toContain('href="M%DCller"');
  });

  test('shows nothing of a name but its text', async () => {
    const evil = '"><script>alert(1)</script>\'&';
    const page = await listingPage(
      listing([entry(evil, 1)], { name: evil, crumbs: [{ name: evil, href: '/c=u/' }] }),
      parseSorting(null),
      0,
    );
    const text = await page.text();
    expect(text).not.toContain('<script>alert');
    expect(text.match(/<script/g)?.length).toBe(1);
    const nonce = /script type="module" nonce="([^"]+)" src="\/.keep-edge\/assets\/listing.js"><\/script>/.exec(
      text,
    )?.[1];
    expect(page.headers.get('Content-Security-Policy')).toContain(`script-src 'nonce-${nonce}'`);
    expect(page.headers.get('Content-Security-Policy')).not.toContain('unsafe');
  });

  test('offers commands that a shell takes as one address, without a token where the address has one', async () => {
    const url = "https://h/c=u/it's $(here)/";
    const commands = async (shown: Listing) => (await listingPage(shown, parseSorting(null), 0)).text();
    const text = await commands(listing([], { url, path: ["it's $(here)"] }));
    expect(text).toContain('&#39;https://h/c=u/it&#39;\\&#39;&#39;s $(here)/&#39;');
    expect(text).toContain('keep-edge get &#39;u/it&#39;\\&#39;&#39;s $(here)/&#39;');
    expect(text).toContain('Authorization: Bearer $ARVADOS_API_TOKEN');
    const shared = await commands(listing([], { url: 'https://h/c=u/t=secret/' }));
    expect(shared).not.toContain('ARVADOS_API_TOKEN');
  });

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [102_400, '100 KiB'],
    [1_048_575, '1.0 MiB'],
    [5 * 2 ** 40, '5.0 TiB'],
    [2 ** 53, '8.0 PiB'],
  ])('says %i as %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
