import { expect, test } from 'vitest';
import { parseRemoteClusters } from '../../../src/config/remote-clusters.ts';

const parse = (table: unknown) => {
  const problems: string[] = [];
  return { remotes: parseRemoteClusters(table, problems), problems };
};

test('a cluster’s own table is understood, with the keys that do not matter here', () => {
  const table = {
    '*': { Scheme: 'https', Proxy: false, ActivateUsers: false },
    zzzzz: { Host: 'zzzzz.example.org', Proxy: true, Scheme: 'https', Insecure: false, ActivateUsers: true },
    y1234: { Host: '127.0.0.1:8000', Scheme: 'http', Insecure: true },
    x0000: { Host: 'x0000.example.org', Scheme: '' },
  };
  expect(parse(table)).toEqual({
    remotes: {
      zzzzz: { apiUrl: 'https://zzzzz.example.org' },
      y1234: { apiUrl: 'http://127.0.0.1:8000' },
      x0000: { apiUrl: 'https://x0000.example.org' },
    },
    problems: [],
  });
});

test.each([
  ['a table that is none', [], 'REMOTE_CLUSTERS: write one TOML table per cluster'],
  ['a name that is no cluster id', { example: { Host: 'a' } }, 'REMOTE_CLUSTERS.example: '],
  ['no host', { zzzzz: {} }, 'REMOTE_CLUSTERS.zzzzz.Host: write host'],
  ['an address for a host', { zzzzz: { Host: 'https://a/' } }, 'REMOTE_CLUSTERS.zzzzz.Host: write host'],
  ['another scheme', { zzzzz: { Host: 'a', Scheme: 'ftp' } }, 'REMOTE_CLUSTERS.zzzzz.Scheme: write'],
  [
    'unchecked certificates',
    { zzzzz: { Host: 'a', Insecure: true } },
    'REMOTE_CLUSTERS.zzzzz: Insecure is not possible',
  ],
])('%s is a problem with a name and advice', (_why, table, problem) => {
  const { problems } = parse(table);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});
