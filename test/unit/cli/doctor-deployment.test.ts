import { expect, test } from 'vitest';
import { judgeConfigFile } from '../../../src/cli/commands/doctor-config-file.ts';
import { judgeDeployment } from '../../../src/deployment/judge-deployment.ts';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const minutesAgo = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString();
const secret = (name: string, weakness: string | null = null) => ({ name, isSet: true, weakness });
const queue = (changes: object = {}) => ({
  isWorking: true,
  pending: 0,
  inProgress: 0,
  since: null,
  wokenAt: minutesAgo(2),
  lastError: null,
  ...changes,
});
const NEEDED = ['DB', 'MANIFESTS', 'SEARCH', 'DIRECTORY', 'ASSETS', 'FIGURES', 'REPAIR_QUEUE'];
const OBJECTS = ['PULL_QUEUE', 'TRASH_QUEUE', 'COLLECTION', 'BALANCER'];
const WELL = {
  mode: 'own',
  settings: {
    blobSigning: true,
    blobTrash: true,
    edgeCache: 'local',
    balancePeriodSeconds: 21_600,
    collectionsUrl: null,
    trustAllContent: false,
    webhooks: 0,
    gateways: 0,
  },
  bindings: Object.fromEntries([...NEEDED, ...OBJECTS].map((name) => [name, true])),
  secrets: ['SYSTEM_ROOT_TOKEN', 'MANAGEMENT_TOKEN', 'BLOB_SIGNING_KEY'].map((name) => secret(name)),
  databases: [{ binding: 'DB', missing: [], newer: [], since: minutesAgo(90) }],
  queues: { pull: queue(), trash: queue() },
  volumes: [{ uuid: 'v', deviceId: 'r2://v', allowWrite: true, ms: 5, problem: null, isWritten: true }],
  cache: { keeps: true },
  balance: { current: null, last: { phase: 'done', dry_run: false, finished_at: minutesAgo(60) }, lost: 0 },
  backups: { snapshot: { at: minutesAgo(60) }, changes: 3, pending: 0, restoring: false, collectionsComplete: true },
  search: { bound: true, complete: true, waiting: 0 },
};

const judge = (changes: object, apiUrl = 'https://keep.example.org') =>
  judgeDeployment({ ...WELL, ...changes }, { apiUrl, now: NOW });

test('a deployment that is well has nothing to look at', () => {
  expect(judge({}).filter(({ state }) => state !== 'good')).toEqual([]);
});

test.each<[string, object, 'bad' | 'unknown', RegExp]>([
  ['a binding', { bindings: { ...WELL.bindings, BALANCER: false } }, 'bad', /BALANCER is missing/],
  ['the search index', { bindings: { ...WELL.bindings, SEARCH: false } }, 'unknown', /without SEARCH/],
  ['webhooks without a queue', { settings: { ...WELL.settings, webhooks: 1 } }, 'bad', /WEBHOOK_QUEUE is missing/],
  [
    'migrations',
    { databases: [{ binding: 'SEARCH', missing: ['0001_search.sql'], newer: [], since: null }] },
    'bad',
    /0001_search\.sql/,
  ],
  [
    'a database that does not answer',
    { databases: [{ binding: 'DB', error: 'no such database' }] },
    'bad',
    /no such database/,
  ],
  [
    'a weak secret',
    { secrets: [...WELL.secrets, secret('S3_KEY_SECRET', 'repeats itself')] },
    'bad',
    /S3_KEY_SECRET repeats/,
  ],
  ['unsigned blocks', { settings: { ...WELL.settings, blobSigning: false } }, 'bad', /BLOB_SIGNING is off/],
  ['a cache that keeps nothing', { cache: { keeps: false } }, 'unknown', /keeps nothing/],
  ['a late cron', { queues: { trash: queue({ wokenAt: minutesAgo(40) }) } }, 'bad', /cron: last seen 40 min/],
  ['a cron that never came', { queues: { trash: queue({ wokenAt: null }) } }, 'bad', /cron: never seen/],
  [
    'a stuck queue',
    { queues: { trash: queue({ pending: 9, since: minutesAgo(30) }) } },
    'bad',
    /trash queue: 9 to do, last progress 30 min/,
  ],
  [
    'a run that failed',
    { balance: { ...WELL.balance, last: { phase: 'failed', message: 'D1', finished_at: minutesAgo(5) } } },
    'bad',
    /failed: D1/,
  ],
  [
    'a run that waits',
    { balance: { ...WELL.balance, current: { phase: 'waiting', message: 'too much' } } },
    'bad',
    /waits: too much/,
  ],
  [
    'balancing that is late',
    { balance: { ...WELL.balance, last: { phase: 'done', finished_at: minutesAgo(800) } } },
    'bad',
    /two periods/,
  ],
  ['lost blocks', { balance: { ...WELL.balance, lost: 2 } }, 'bad', /2 blocks lost/],
  ['changes that are not in the bucket', { backups: { ...WELL.backups, pending: 4 } }, 'bad', /4 changes not in/],
  ['backups that are not compacted', { backups: { ...WELL.backups, changes: 900 } }, 'bad', /compacted/],
  [
    'a volume that fails',
    { volumes: [{ ...WELL.volumes[0], problem: 'AccessDenied', isWritten: false }] },
    'bad',
    /AccessDenied/,
  ],
])('%s: it is told, and with what to do where it is a problem', (_, changes, state, what) => {
  const found = judge(changes).filter((finding) => finding.state !== 'good');
  expect(found).toMatchObject([{ state, what: expect.stringMatching(what) }]);
  if (state === 'bad')
    expect(found.every(({ advice, what: text }) => advice !== undefined || /error/.test(text))).toBe(true);
});

test('a workers.dev address has no edge cache, unless it is tiered', () => {
  const address = 'https://keep-edge.lab.workers.dev';
  expect(judge({}, address)).toContainEqual(
    expect.objectContaining({ state: 'unknown', what: expect.stringContaining('workers.dev') }),
  );
  const tiered = { settings: { ...WELL.settings, edgeCache: 'tiered' } };
  expect(judge(tiered, address).filter(({ state }) => state !== 'good')).toEqual([]);
});

test('a wrangler.toml without logs, without a cron or with ids of the example is told', () => {
  const good = '[observability]\nenabled = true # kept\n[triggers]\ncrons = ["*/5 * * * *"]\n';
  expect(judgeConfigFile('observability = { enabled = true', 'w.toml')).toMatchObject([{ state: 'bad' }]);
  expect(judgeConfigFile(good, 'w.toml')).toEqual([{ state: 'good', what: 'observability: on, in w.toml' }]);
  const bad =
    '[observability]\nenabled = false\n[[d1_databases]]\nbinding = "DB"\ndatabase_id = "00000000-0000-0000-0000-000000000000"\n';
  expect(judgeConfigFile(bad, 'w.toml').map(({ state, what }) => `${state} ${what}`)).toEqual([
    'bad observability: off in w.toml, so no log line is kept',
    'bad cron: w.toml has none',
    "bad w.toml: the id of DB is still the example's",
  ]);
});
