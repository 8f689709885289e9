import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bucketAddress, encodeKey, failure, S3Failure } from '../../../src/storage/s3-client.ts';

describe('a bucket is addressed', () => {
  const bucket = { region: 'eu-west-1', bucket: 'keep', usePathStyle: false };

  test.each([
    ['on AWS', { ...bucket, endpoint: '' }, 'https://keep.s3.eu-west-1.amazonaws.com'],
    ['on AWS by path', { ...bucket, endpoint: '', usePathStyle: true }, 'https://s3.eu-west-1.amazonaws.com/keep'],
    ['by host', { ...bucket, endpoint: 'https://s3.example.org' }, 'https://keep.s3.example.org'],
    ['with a port', { ...bucket, endpoint: 'http://10.0.0.1:9000/', usePathStyle: true }, 'http://10.0.0.1:9000/keep'],
  ])('%s', (_, driver, address) => {
    expect(bucketAddress(driver)).toBe(address);
  });
});

describe('a key in an address', () => {
  test('is decoded to itself, whatever it holds, and slashes stay', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (key) => {
        const encoded = encodeKey(key);
        expect(decodeURIComponent(encoded)).toBe(key);
        expect(encoded).toMatch(/^[A-Za-z0-9\-._~%/]*$/);
        expect(encoded.split('/').length).toBe(key.split('/').length);
      }),
    );
  });
});

describe('what a server says', () => {
  test.each([
    [503, 'SlowDown', 503],
    [500, 'InternalError', 503],
    [403, 'AccessDenied', 503],
    [301, 'PermanentRedirect', 503],
    [403, 'QuotaExceeded', 507],
    [507, '', 507],
    [400, 'BadDigest', 400],
    [404, 'NoSuchBucket', 503],
  ])('%i %s becomes %i', (status, code, told) => {
    const error = failure(new S3Failure('PUT', status, code));
    expect(error.status).toBe(told);
    expect(error.cause).toMatchObject({ status, s3Code: code });
    // What the server said is for the log, not for the client.
    if (code !== '') expect(error.message).not.toContain(code);
  });
});
