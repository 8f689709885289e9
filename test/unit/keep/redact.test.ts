import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeError, redactPath, redactText } from '../../../src/keep/redact.ts';
import { parseAddress } from '../../../src/surfaces/keep-web/address.ts';

const UUID = 'xedge-4zz18-0123456789abcde';
const TOKEN_UUID = 'xedge-gj3su-0123456789abcde';
const SECRET = '3kg6k6lzmp9kj5cpkcoxie963cmvjahbt2fod9zru30k1jqdmi';
const HASH = 'acbd18db4cc2f85cedef654fccc4a4d8';
const SIGNATURE = `${'0123456789'.repeat(4)}@6a1b2c3d`;

describe('a path in the log shows no token', () => {
  test.each([
    [`/c=${UUID}/t=${SECRET}/f`, `c=${UUID}/t=…/f`],
    [`//c=${UUID}//t=${SECRET}//f`, `c=${UUID}/t=…/f`],
    [`/c=${UUID}/t=v2/${TOKEN_UUID}/${SECRET}/f`, `c=${UUID}/t=…/f`],
    [`/c=${UUID}/t=v2//${TOKEN_UUID}//${SECRET}//f`, `c=${UUID}/t=…/f`],
    [`/c=${UUID}/t=v2//T//${SECRET}/f`, `c=${UUID}/t=…/f`],
    [`/c=${UUID}/./t=v2/./T/./${SECRET}/f`, `c=${UUID}/t=…/f`],
    [`/t=v2/${TOKEN_UUID}/${SECRET}`, 't=…'],
    [`/by_id/${UUID}/t=${SECRET}/`, `by_id/${UUID}/t=…/`],
    [`/collections/download/${UUID}/${SECRET}/f`, `collections/download/${UUID}/…/f`],
    [`//collections//download//${UUID}//${SECRET}//f`, `collections/download/${UUID}/…/f`],
    [`/./collections/./download/${UUID}/${SECRET}/f`, `collections/download/${UUID}/…/f`],
    [`/Collections/Download/${UUID}/${SECRET}/f`, `Collections/Download/${UUID}/…/f`],
    [`/collections/download/${UUID}/v2/${TOKEN_UUID}/${SECRET}/f`, `collections/download/${UUID}/…/f`],
    [`/x/v2/${TOKEN_UUID}//${SECRET}/f`, 'x/v2/…/f'],
    [`/${HASH}+3+A${SIGNATURE}`, `${HASH}+3`],
    [`//${HASH}+3+Rabcde-${SIGNATURE}+K@abcde`, `${HASH}+3`],
    [`/untrash/${HASH}+A${SIGNATURE}+Z`, `untrash/${HASH}`],
    [`/${HASH}%2B3%2BA${SIGNATURE}`, `${HASH}+3`],
    [`/${HASH.slice(2)}+x${SIGNATURE.slice(2)}`, `${HASH.slice(2)}+x…`],
    [`/c=${UUID}/t=v2%2F${TOKEN_UUID}%2F${SECRET}/f`, `c=${UUID}/t=…/f`],
    [`/c=${UUID}%2Ft%3D${SECRET}%2Ff`, `c=${UUID}/t=…/f`],
    [`/collections%252Fdownload%252F${UUID}%252F${SECRET}`, `collections/download/${UUID}/…`],
    [`/c=${UUID}\\t=${SECRET}\\f`, `c=${UUID}/t=…/f`],
    [`/c=${UUID}/f?api_token=${SECRET}&x=1`, `c=${UUID}/f?api_token=…`],
    [`/${HASH}+3+A${SIGNATURE}x&t=${SECRET}`, `${HASH}+3&t=…`],
    [`/${HASH.slice(2)}+x${SIGNATURE.slice(2)}&t=`, `${HASH.slice(2)}+x…&t=…`],
    [`/c=${UUID}/f;api_token=v2/${TOKEN_UUID}/${SECRET}`, `c=${UUID}/f;api_token=…`],
  ])('%s', (path, shown) => {
    expect(redactPath(path)).toBe(shown);
  });

  test('and every other name as it is', () => {
    for (const path of ['c=x/a b/ä%41.txt', 'x/start=1', 'index', 'x/', `by_id/${HASH}+3`, 'a/v20/b', 'x\\y'])
      expect(redactPath(`/${path}`)).toBe(path);
    expect(redactPath(`/${'x/'.repeat(2_000_000)}`).length).toBeLessThan(2100);
  });

  test('whatever the parser of addresses takes for one', () => {
    const separator = fc.constantFrom('/', '//', '/./', '///', '/.//');
    const token = fc.constantFrom(SECRET, `v2/${TOKEN_UUID}/${SECRET}`, `v2//${TOKEN_UUID}/.//${SECRET}`);
    const root = fc.constantFrom(`c=${UUID}/t=`, `collections/download/${UUID}/`, `c=${HASH}+3/t=`, `c=${HASH}-3/t=`);
    const address = fc.tuple(separator, root, token, separator, fc.constantFrom('', 'f', 'd/f', 't=x')).map((texts) => {
      const [before, start, secret, between, end] = texts;
      return `${before}${start.replaceAll('/', between)}${secret}${between}${end}`;
    });
    fc.assert(
      fc.property(address, (path) => {
        const parsed = parseAddress('host', path);
        if (parsed?.kind === 'id') expect(parsed.pathToken).not.toBeNull();
        expect(redactPath(path)).not.toContain(SECRET);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a message in the log', () => {
  test.each([
    `GET http://host/c=${UUID}/t=${SECRET}/f failed`,
    `token v2/${TOKEN_UUID}/${SECRET} refused`,
    `sent "Authorization: Bearer ${SECRET.slice(0, 20)}${SECRET.slice(20)}"`,
    `sent Authorization: OAuth2 v2/${TOKEN_UUID}/${SECRET}`,
    `http://host/?api_token=${SECRET}&x=1`,
    `the secret ${SECRET} is wrong`,
    `block ${HASH}+3+A${SIGNATURE}+K@abcde is gone ${SECRET}`,
    `${SIGNATURE} ${SECRET}`,
  ])('quotes no secret: %s', (text) => {
    expect(redactText(text)).not.toContain(SECRET);
    expect(redactText(text)).not.toContain(SIGNATURE);
  });

  test('keeps what is no secret, and says its causes', () => {
    const cause = new Error(`sha256 ${'ab'.repeat(32)} for ${HASH}+3+A${SIGNATURE}`);
    expect(describeError(new Error('volume unavailable', { cause }))).toBe(
      `volume unavailable: sha256 ${'ab'.repeat(32)} for ${HASH}+3`,
    );
  });

  test('costs no time that grows with the square of its length', () => {
    for (const part of ['v2/', 'a'.repeat(41), 'Bearer ', 't=', `${HASH}+`, '0', '%2f', '+A', '@'])
      expect(redactText(part.repeat(100_000)).length).toBeLessThan(2100);
  });
});

test('an address takes no longer to redact for what is in it', () => {
  for (let i = 0; i < 200; i++)
    for (const path of ['a'.repeat(8000), `%252541${'f'.repeat(4000)}`]) expect(redactPath(`/${path}`)).not.toBe('');
});
