import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isKeepError } from '../../../src/keep/errors.ts';
import { isToken, parseToken, requestTokens, saltToken } from '../../../src/keep/token.ts';
import vectors from '../../vectors/tokens.json' with { type: 'json' };

const V2 = 'v2/xtest-gj3su-0123456789abcde/4kp0spec5ecret00000000000000000000000000000000abcd';

function tokens(headers: Record<string, string>, query = ''): string[] {
  return requestTokens(new Request(`http://keep.test/acbd18db4cc2f85cedef654fccc4a4d8+3${query}`, { headers }));
}

test.each([
  ['Bearer abc', ['abc']],
  ['OAuth2 abc', ['abc']],
  ['Bearer   abc  ', ['abc']],
  [`Bearer ${V2}`, [V2]],
  ['Bearer', []],
  ['Bearer ', []],
  ['bearer abc', []],
  ['oauth2 abc', []],
  ['Token abc', []],
  [`Basic ${btoa('user:pass:word')}`, ['pass:word']],
  [`BASIC ${btoa(':abc')}`, ['abc']],
  [`Basic ${btoa('user:')}`, ['']],
  [`Basic ${btoa('no colon')}`, []],
  ['Basic %%%', []],
  ['', []],
])('Authorization %j carries %j', (Authorization, expected) => {
  expect(tokens({ Authorization })).toEqual(expected);
});

test('tokens come in the order Authorization, api_token parameters, cookie', () => {
  expect(
    tokens(
      { Authorization: 'Bearer one', Cookie: `a=b; arvados_api_token=${btoa('four')}; c` },
      '?api_token=two&x=1&api_token=three',
    ),
  ).toEqual(['one', 'two', 'three', 'four']);
});

test('an empty api_token and an empty Basic password are tokens and keep their place before good ones', () => {
  expect(tokens({ Authorization: `Basic ${btoa('user:')}` }, '?api_token=good')).toEqual(['', 'good']);
  expect(tokens({}, '?api_token=&api_token=good')).toEqual(['', 'good']);
  expect(tokens({}, '?api_token')).toEqual(['']);
});

test('api_token is percent-decoded, and not looked for after the fragment sign', () => {
  expect(tokens({}, '?api_token=v2%2Fa%2Fb+c')).toEqual(['v2/a/b c']);
  expect(requestTokens({ headers: new Headers(), url: 'http://keep.test/x?a=1#&api_token=no' })).toEqual([]);
});

test('the cookie is base64url; one that is not, or is empty, carries nothing', () => {
  const cookie = (value: string) => tokens({ Cookie: `arvados_api_token=${value}` });
  expect(cookie(btoa('~~~???').replaceAll('+', '-').replaceAll('/', '_'))).toEqual(['~~~???']);
  expect(cookie(`"${btoa('quoted')}"`)).toEqual(['quoted']);
  expect(cookie('')).toEqual([]);
  expect(cookie('!')).toEqual([]);
  expect(tokens({ Cookie: `xarvados_api_token=${btoa('other')}` })).toEqual([]);
});

test('a token is split into uuid, secret and container', () => {
  expect(parseToken('bare')).toEqual({ uuid: null, secret: 'bare', container: null });
  expect(parseToken('v2/u/s')).toEqual({ uuid: 'u', secret: 's', container: null });
  expect(parseToken('v2/u/s/c')).toEqual({ uuid: 'u', secret: 's', container: 'c' });
  expect(parseToken('v2/u')).toEqual({ uuid: null, secret: 'v2/u', container: null });
  expect(parseToken('v3/u/s')).toEqual({ uuid: null, secret: 'v3/u/s', container: null });
});

test.each(vectors.salted)('$token for $clusterId becomes $result', ({ token, clusterId, result }) => {
  expect(saltToken(token, clusterId)).toBe(result);
});

test.each(vectors.refused)('$token for $clusterId is refused: $code', ({ token, clusterId, code }) => {
  expect(() => saltToken(token, clusterId)).toThrowError(expect.objectContaining({ code, status: 400 }));
});

test('no error about a token repeats it', () => {
  for (const { token, clusterId } of vectors.refused) {
    if (token === '') continue;
    expect(() => saltToken(token, clusterId)).not.toThrowError(token);
  }
});

test('only the whole secret is the token, and an empty secret matches none', () => {
  expect(isToken('secret', 'secret')).toBe(true);
  expect(isToken('', '')).toBe(false);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary', minLength: 1 }), (candidate, secret) => {
      expect(isToken(candidate, secret)).toBe(candidate === secret);
      expect(isToken(secret, secret)).toBe(true);
    }),
  );
});

test('no credentials make reading them throw, and no text makes salting throw anything but a KeepError', () => {
  const any = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(any, any, any, (authorization, cookie, query) => {
      const headers = new Map([
        ['Authorization', authorization],
        ['Cookie', `arvados_api_token=${cookie}`],
      ]);
      requestTokens({ headers: { get: (name) => headers.get(name) ?? null }, url: `http://keep.test/?${query}` });
      try {
        saltToken(authorization, 'rmte1');
      } catch (error) {
        expect(isKeepError(error)).toBe(true);
      }
    }),
  );
});

test('a token longer than any authority makes is none that could be accepted', () => {
  const none = { get: () => null };
  const tokens = (length: number) => requestTokens({ headers: none, url: `http://h/?api_token=${'x'.repeat(length)}` });
  expect(tokens(8192)[0]).toHaveLength(8192);
  expect(tokens(8193)).toEqual(['']);
  const headers = { get: (name: string) => (name === 'Authorization' ? `Bearer ${'x'.repeat(9000)}` : null) };
  expect(requestTokens({ headers, url: 'http://h/' })).toEqual(['']);
});
