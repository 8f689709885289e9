import { describe, expect, test } from 'vitest';
import { isEndpointHost, s3AddressOf } from '../../../../src/surfaces/s3/address.ts';

const HOSTS = { endpointHost: 's3.example.org' };
const UUID = 'xedge-4zz18-000000000000000';

describe('the bucket of a request', () => {
  test.each([
    ['lab-data.s3.example.org', '/a/b', 'lab-data', 'a/b'],
    ['Lab-Data.S3.Example.org:443', '/', 'lab-data', null],
    ['lab.data.s3.example.org:80', '/a//b', 'lab.data', 'a//b'],
    [`${UUID.toUpperCase()}.s3.example.org`, '/a', UUID, 'a'],
    ['d41d8cd98f00b204e9800998ecf8427e-0.s3.example.org', '/a', 'd41d8cd98f00b204e9800998ecf8427e+0', 'a'],
    ['s3.example.org', '/bucket/a', 'bucket', 'a'],
    ['s3.example.org', '/', null, null],
    ['s3.example.org', '//a', null, 'a'],
    ['other.example.org', '/bucket/', 'bucket', null],
    [`${UUID}.collections.example.org`, '/a', UUID, 'a'],
  ])('to %s%s is %s, its key %s', (host, path, bucket, key) => {
    const request = new Request('http://any/', { headers: { Host: host } });
    expect(s3AddressOf({ request, path }, HOSTS)).toEqual({ bucket, key });
  });

  test('hosts that only end like the endpoint are not its own', () => {
    expect(['s3.example.org', 'b.s3.example.org'].every((host) => isEndpointHost(host, HOSTS))).toBe(true);
    expect(
      ['evils3.example.org', 's3.example.org.evil', '', 's3.example.org:8080'].map((host) =>
        isEndpointHost(host, HOSTS),
      ),
    ).toEqual(Array(4).fill(false));
    expect(isEndpointHost('s3.example.org', { endpointHost: null })).toBe(false);
  });
});
