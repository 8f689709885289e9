import { expect, test } from 'vitest';
import { parseWebhooks } from '../../../src/config/webhooks.ts';

const BOUND = { WEBHOOK_QUEUE: {}, WEBHOOK_SECRET: 'x'.repeat(32) };
const sound = { URL: 'https://flows.example.org/hook', Events: ['commit', 'lost'] };

function problemsOf(entry: object, env: Record<string, unknown> = BOUND): string[] {
  const problems: string[] = [];
  parseWebhooks({ flows: entry }, env, problems);
  return problems;
}

test('a receiver has an address, events, and an owner when it is not told of everything', () => {
  const problems: string[] = [];
  const Owner = 'xedge-j7d0g-000000000000001';
  expect(parseWebhooks({ all: sound, one: { ...sound, Owner } }, BOUND, problems)).toEqual([
    { url: sound.URL, events: ['commit', 'lost'], owner: null },
    { url: sound.URL, events: ['commit', 'lost'], owner: Owner },
  ]);
  expect(problems).toEqual([]);
});

test.each([
  'http://flows.example.org/',
  'https://user:password@flows.example.org/',
  'http://127.0.0.1.example.org/',
  'ftp://localhost/',
  'flows',
])('%s is no address for a receiver', (URL) => {
  expect(problemsOf({ ...sound, URL })).toEqual([
    expect.stringContaining('WEBHOOKS.flows.URL: write an https address'),
  ]);
});

test.each(['http://localhost:8080/hook', 'http://127.0.0.1:8080/', 'http://[::1]:8080/'])(
  '%s is, for development',
  (URL) => {
    expect(problemsOf({ ...sound, URL })).toEqual([]);
  },
);

test('other events, other keys and other owners are refused by name', () => {
  expect(problemsOf({ ...sound, Events: ['delete'] })).toEqual([
    expect.stringMatching(/^WEBHOOKS\.flows\.Events\.0: /),
  ]);
  expect(problemsOf({ ...sound, Events: [] })).toEqual([expect.stringMatching(/^WEBHOOKS\.flows\.Events: /)]);
  expect(problemsOf({ ...sound, Secret: 'x' })).toEqual([expect.stringMatching(/^WEBHOOKS\.flows\.Secret: /)]);
  expect(problemsOf({ ...sound, Owner: 'me' })).toEqual([expect.stringMatching(/^WEBHOOKS\.flows\.Owner: /)]);
});

test('the secret, the queue and collections of our own are needed only where a receiver is set', () => {
  const problems: string[] = [];
  expect(parseWebhooks({}, {}, problems)).toEqual([]);
  expect(problems).toEqual([]);
  expect(problemsOf(sound, { API_HOST: 'cluster.example.org' }).map((line) => line.split(':')[0])).toEqual([
    'WEBHOOKS',
    'WEBHOOKS',
    'WEBHOOK_SECRET',
  ]);
});
