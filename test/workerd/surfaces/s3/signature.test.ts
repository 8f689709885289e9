import { expect, test } from 'vitest';
import { claimedSignature } from '../../../../src/surfaces/s3/signature.ts';

const NOW = Date.UTC(2026, 10, 29, 8);
const signedBy = (signedHeaders: string[], headers: Record<string, string> = {}) =>
  new Request('https://s3.example/bucket/key', {
    headers: {
      Authorization: `AWS4-HMAC-SHA256 Credential=key/20261129/zz/s3/aws4_request, SignedHeaders=${signedHeaders.join(';')}, Signature=00`,
      'X-Amz-Date': '20261129T080000Z',
      'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD',
      ...headers,
    },
  });
const NEEDED = ['host', 'x-amz-content-sha256', 'x-amz-date'];

test('a signature names each header once: the value of each is hashed', () => {
  expect(claimedSignature(signedBy([...NEEDED, 'a', 'b']), NOW)?.signedHeaders).toEqual([...NEEDED, 'a', 'b']);
  const twice = [...NEEDED, ...Array<string>(10_000).fill('a')];
  expect(() => claimedSignature(signedBy(twice, { a: 'x'.repeat(10_000) }), NOW)).toThrow('twice');
});
