import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pullServers } from '../../../src/queues/pull-servers.ts';

const HASH = 'acbd18db4cc2f85cedef654fccc4a4d8';
/** An address that happens to be as long as a uuid is weighed as one, by the original too. */
const weight = (url: string) =>
  createHash('md5')
    .update(HASH + (url.length === 27 ? url.slice(-15) : url))
    .digest('hex');

describe('the servers of a pull', () => {
  test('are asked by descending MD5 of hash and whole address', () => {
    const hosts = fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }).map((port) => `http://keep.example.org:${port}`));
    fc.assert(
      fc.property(hosts, (servers) => {
        const expected = [...servers].sort((a, b) => (weight(a) < weight(b) ? 1 : -1));
        expect(pullServers(HASH, servers, []).usable).toEqual(expected);
      }),
    );
  });

  test.each([
    ['ftp://keep.example.org', 'neither http nor https'],
    ['file:///etc/passwd', 'neither http nor https'],
    ['javascript:alert(1)', 'neither http nor https'],
    ['keep.example.org', 'not a URL'],
    ['', 'not a URL'],
    ['http://user@keep.example.org', 'credentials have no place in an address'],
    ['http://user:secret@keep.example.org', 'credentials have no place in an address'],
    ['http://keep.example.org/?x=', 'not a base address'],
    ['http://keep.example.org/#', 'not a base address'],
    [`http://keep.example.org${'/'.repeat(1_000_000)}x`, 'longer than 2048 characters'],
  ])('are not asked at %s', (server, why) => {
    const { usable, refused } = pullServers(HASH, [server], []);
    expect([usable, refused]).toEqual([[], [expect.stringContaining(why)]]);
    expect(refused[0]).not.toContain('secret');
  });

  test('lose the slash at their end, and are asked once', () => {
    const servers = ['http://a.example.org/', 'http://a.example.org/'];
    expect(pullServers(HASH, servers, []).usable).toEqual(['http://a.example.org']);
  });

  test('are held against a list of hosts, with or without a port', () => {
    const servers = ['http://a.example.org:25107', 'http://b.example.org:25107', 'https://c.example.org'];
    const allowed = (...hosts: string[]) => pullServers(HASH, servers, hosts).usable.sort();
    expect(allowed('a.example.org')).toEqual(['http://a.example.org:25107']);
    expect(allowed('b.example.org:25107', 'c.example.org')).toEqual(servers.slice(1));
    expect(allowed('a.example.org:80', 'example.org')).toEqual([]);
  });
});
