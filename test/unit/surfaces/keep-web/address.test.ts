import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeComponent, encodePath } from '../../../../src/keep/uri-paths.ts';
import { parseAddress } from '../../../../src/surfaces/keep-web/address.ts';
import { hostileName } from '../../../support/hostile-names.ts';

const C = 'zzzzz-4zz18-fy296fx3hot09f7';
const P = 'zzzzz-j7d0g-fy296fx3hot09f7';
const PDH = '1f4b0bc7583c2a7f9102c395f4ffc5e3+45';
const DASHED = PDH.replace('+', '-');
const TOKEN = '3kg6k6lzmp9kj5cpkcoxie963cmvjahbt2fod9zru30k1jqdmi';
const V2 = `v2/zzzzz-gj3su-077z32aux8dg2s1/${TOKEN}`;

interface Expected {
  id?: string;
  path: string;
  token?: string | null;
  prefix?: string;
  own?: boolean;
  anonymous?: boolean;
}

/** docs/protocol/files.md#addresses, row by row. */
const FOUND: [host: string, path: string, Expected][] = [
  [`${C}.collections.example.com`, '/a/b', { id: C, path: 'a/b', own: true, prefix: '' }],
  [`${C}--collections.example.com:8000`, '/a', { id: C, path: 'a', own: true }],
  [`${C}--`, '/a', { id: C, path: 'a', own: true }],
  [C, '/a', { id: C, path: 'a', own: true }],
  [`${DASHED}.example.com`, '/', { id: PDH, path: '', own: true }],
  [`${DASHED}--dl.example.com`, '/', { id: PDH, path: '', own: true }],
  [`${P}.example.com`, '/x/y', { id: P, path: 'x/y', own: true }],
  [`${C}.example.com`, '/c=x/t', { id: C, path: 'c=x/t', own: true }],
  [`${C}.example.com`, '/metrics', { id: C, path: 'metrics', own: true }],
  [`${C}.example.com`, `/t=${TOKEN}/foo`, { id: C, path: 'foo', token: TOKEN, prefix: `t=${TOKEN}`, own: true }],
  [`${C}.example.com`, '/_/t=x/y', { id: C, path: 't=x/y', token: null, prefix: '_', own: true }],
  ['h', `/c=${C}`, { id: C, path: '', prefix: `c=${C}` }],
  ['h', `/c=${C}/`, { id: C, path: '' }],
  ['h', `/c=${C}/dir1/foo`, { id: C, path: 'dir1/foo' }],
  ['h', `/c=${P}/coll/foo`, { id: P, path: 'coll/foo' }],
  ['h', `/c=${PDH}/foo`, { id: PDH, path: 'foo' }],
  ['h', `/c=${DASHED}/foo`, { id: PDH, path: 'foo', prefix: `c=${DASHED}` }],
  ['h', `/c=${PDH.replace('+', ' ')}/foo`, { id: PDH, path: 'foo' }],
  ['h', `//c=${C}//a///b`, { id: C, path: 'a/b' }],
  ['h', `/./c=${C}/./a/././b`, { id: C, path: 'a/b' }],
  ['h', `/c=${C}/_/foo`, { id: C, path: 'foo', prefix: `c=${C}/_` }],
  ['h', `/c=${C}/_/_/foo`, { id: C, path: '_/foo', prefix: `c=${C}/_` }],
  ['h', `/c=${C}/a/_/foo`, { id: C, path: 'a/_/foo' }],
  ['h', `/c=${C}/t=${TOKEN}/foo`, { id: C, path: 'foo', token: TOKEN }],
  ['h', `/c=${C}/t=${TOKEN}/_/foo`, { id: C, path: 'foo', token: TOKEN, prefix: `c=${C}/t=${TOKEN}/_` }],
  ['h', `/c=${C}/t=/foo`, { id: C, path: 'foo', token: '' }],
  ['h', `/c=${C}/t=${V2}/foo`, { id: C, path: 'foo', token: V2, prefix: `c=${C}/t=${V2}` }],
  ['h', `/c=${C}/t=v2/foo`, { id: C, path: 'foo', token: 'v2' }],
  ['h', `/collections/${C}/foo`, { id: C, path: 'foo', anonymous: true }],
  ['h', `/collections/${DASHED}/foo`, { id: PDH, path: 'foo', anonymous: true }],
  ['h', `/collections/download/${C}/${TOKEN}/foo`, { id: C, path: 'foo', token: TOKEN }],
  ['h', `/collections/download/${C}/${TOKEN}`, { id: C, path: '', token: TOKEN }],
  ['h', '/', { path: '' }],
  ['h', '/by_id/', { path: 'by_id' }],
  ['h', `/by_id/${C}/foo`, { path: `by_id/${C}/foo` }],
  ['h', '/users/active/p/c/foo', { path: 'users/active/p/c/foo' }],
  [`x${C}.example.com`, '/users', { path: 'users' }],
];

const NOTHING: [host: string, path: string][] = [
  ['h', '/foo'],
  ['h', '/download'],
  ['h', '/collections'],
  ['h', '/collections/'],
  ['h', '/collections/x'],
  ['h', `/collections/download/${C}`],
  ['h', '/favicon.ico'],
  ['h', '/c='],
  ['h', '/c=foo/bar'],
  ['h', '/c=zzzzz-tpzed-fy296fx3hot09f7/'],
  ['h', `/c=${C}x/foo`],
  ['h', `/c=${C.toUpperCase()}/foo`],
  ['h', `/c=${PDH}-/foo`],
  ['h', `/c=${PDH}+Z/foo`],
  ['h', `/c=${C}/../x`],
  ['h', `/c=${C}/a/..`],
  ['h', `/c=${C}/_/../../by_id/x`],
  ['h', '/by_id/../users'],
  [`${C}.example.com`, '/../x'],
  [`${DASHED}-.example.com`, '/foo/'],
];

describe('an address', () => {
  test.each(FOUND)('%s %s', (host, path, expected) => {
    const address = parseAddress(host, path);
    expect(address).not.toBeNull();
    expect(address?.path.join('/')).toBe(expected.path);
    expect(address?.trailingSlash).toBe(path.endsWith('/'));
    if (expected.prefix !== undefined) expect(address?.prefix.join('/')).toBe(expected.prefix);
    if (expected.id === undefined) expect(address?.kind).toBe('site');
    else
      expect(address).toMatchObject({
        kind: 'id',
        id: expected.id,
        ownOrigin: expected.own ?? false,
        pathToken: expected.token ?? null,
        anonymousOnly: expected.anonymous ?? false,
      });
  });

  test.each(NOTHING)('%s %s is nothing', (host, path) => {
    expect(parseAddress(host, path)).toBeNull();
  });

  test('never holds a component that could climb or be empty', () => {
    const chunk = fc.constantFrom(
      '..',
      '.',
      '',
      'a',
      '_',
      `c=${C}`,
      't=x',
      'by_id',
      'users',
      'collections',
      'download',
      C,
      '...',
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 8 }), (chunks) => {
        const address = parseAddress('h', `/${chunks.join('/')}`);
        return (address?.path ?? []).every((component) => !['', '.', '..'].includes(component));
      }),
    );
  });

  test('is written back into a URL that means the same path', () => {
    fc.assert(
      fc.property(
        fc.array(hostileName({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 5 }),
        (components) => {
          const encoded = encodePath(components);
          expect(encoded.split('/').slice(1).map(decodeURIComponent)).toEqual(components);
          expect(encoded).toMatch(/^(\/[A-Za-z0-9._~%=+-]+)+$/);
        },
      ),
    );
    expect(encodePath([], true)).toBe('/');
    expect(encodePath(['a b', 'ä'], true)).toBe('/a%20b/%C3%A4/');
    expect(encodeComponent(`https:"'\\?#%`)).toBe('https%3A%22%27%5C%3F%23%25');
  });
});
