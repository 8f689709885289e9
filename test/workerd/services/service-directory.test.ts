import { env } from 'cloudflare:test';
import { beforeEach, expect, test } from 'vitest';
import { type AdminRecord, createDirectory, type DirectoryOptions } from '../../../src/services/service-directory.ts';
import { soon } from '../support/soon.ts';

const kv = (env as unknown as { DIRECTORY: KVNamespace }).DIRECTORY;
const MINUTES = 60_000;

const recordAt = (host: string, tail = host) => ({
  uuid: `xedge-bi6l4-${tail.padStart(15, '0')}`,
  service_host: host,
  service_port: 443,
  service_ssl_flag: true,
  service_type: 'disk',
  read_only: false,
});
const adminRecord = (host: string, tail = host): AdminRecord => ({
  ...recordAt(host, tail),
  created_at: '2026-01-01T00:00:00Z',
  modified_at: '2026-01-01T00:00:00Z',
});

/** API servers by origin: hosts that they list, or null for one that fails. Each directory stands for an isolate. */
let apis: Record<string, string[] | null>;
let asked: string[];
let now: number;
let work: Promise<unknown>[];
const isolate = (changes: Partial<DirectoryOptions> = {}) =>
  createDirectory({
    kv,
    clusterId: 'xedge',
    remoteClusterIds: ['xfar0'],
    apiUrlOf: (id) => ({ xedge: 'https://home', xfar0: 'https://far' })[id] ?? null,
    later: (task) => void work.push(task),
    now: () => now,
    fetcher: async (url) => {
      const origin = new URL(String(url)).origin;
      asked.push(origin);
      const hosts = apis[origin];
      return hosts
        ? Response.json({ items: hosts.map((host) => recordAt(host)) })
        : new Response('no', { status: 503 });
    },
    ...changes,
  });
/** The real KV, but for the operations that `fails` says. */
const failingKv = (fails: (name: string | symbol) => boolean) =>
  new Proxy({} as KVNamespace, {
    get: (_, name) => {
      if (fails(name)) return () => Promise.reject(new Error('KV is ill'));
      const value: unknown = Reflect.get(kv, name);
      return typeof value === 'function' ? value.bind(kv) : value;
    },
  });
const urls = async (directory: ReturnType<typeof isolate>, refresh?: boolean) =>
  (await directory.services('xedge').list(refresh)).map(({ url }) => url);

beforeEach(async () => {
  for (const { name } of (await kv.list()).keys) await kv.delete(name);
  apis = { 'https://home': ['keep1'], 'https://far': ['keepfar'] };
  asked = [];
  work = [];
  now = 1_800_000_000_000;
});

test('the API server is asked once; other isolates find the list in KV', async () => {
  expect(await urls(isolate())).toEqual(['https://keep1:443']);
  await Promise.all(work);
  expect(await urls(isolate())).toEqual(['https://keep1:443']);
  expect(asked).toEqual(['https://home']);
});

test('a list older than five minutes is asked for again', async () => {
  const one = isolate();
  await urls(one);
  await Promise.all(work);
  apis['https://home'] = ['keep2'];
  now += 4 * MINUTES;
  expect(await urls(one)).toEqual(['https://keep1:443']);
  now += 1 * MINUTES;
  expect(await urls(one)).toEqual(['https://keep2:443']);
});

test('refreshing asks again at once, but not more than once in five seconds', async () => {
  const one = isolate();
  await urls(one);
  apis['https://home'] = ['keep2'];
  now += 4_999;
  expect(await urls(one, true)).toEqual(['https://keep1:443']);
  now += 1;
  expect(await urls(one, true)).toEqual(['https://keep2:443']);
  await urls(one, true);
  expect(asked).toHaveLength(2);
});

test('an API server that fails is asked once in five seconds, however many requests find the list wanting', async () => {
  const one = isolate();
  await urls(one);
  await Promise.all(work);
  apis['https://home'] = null;
  for (let second = 0; second < 9; second++) {
    now += 1_000;
    expect(await urls(one, true)).toEqual(['https://keep1:443']);
  }
  expect(asked).toHaveLength(2);
});

test('with the API server down and KV emptied, the isolate’s last good copy serves on', async () => {
  const one = isolate();
  await urls(one);
  await Promise.all(work);
  for (const { name } of (await kv.list()).keys) await kv.delete(name);
  apis['https://home'] = null;
  now += 60 * MINUTES;
  expect(await urls(one)).toEqual(['https://keep1:443']);
  expect(await urls(one, true)).toEqual(['https://keep1:443']);
});

test('with the API server down, a stale KV serves a new isolate; with neither it is an error', async () => {
  await urls(isolate());
  await Promise.all(work);
  apis['https://home'] = null;
  now += 60 * MINUTES;
  expect(await urls(isolate())).toEqual(['https://keep1:443']);
  await expect(isolate().services('xfar0').list()).resolves.toHaveLength(1);
  await Promise.all(work);
  apis['https://far'] = null;
  await kv.delete('clusters/xfar0');
  await expect(isolate().services('xfar0').list()).rejects.toMatchObject({ code: 'bad_gateway' });
});

test('an invalid value in KV counts as none', async () => {
  await kv.put('clusters/xedge', '{"items": 7');
  expect(await urls(isolate())).toEqual(['https://keep1:443']);
  await kv.put('clusters/xedge', JSON.stringify({ items: [{}, recordAt('keep9')], at: now }));
  expect(await urls(isolate())).toEqual(['https://keep9:443']);
});

test('a KV that fails takes nothing down', async () => {
  const broken = new Proxy({} as KVNamespace, { get: () => () => Promise.reject(new Error('KV is ill')) });
  const one = isolate({ kv: broken });
  expect(await urls(one)).toEqual(['https://keep1:443']);
  await Promise.all(work);
  expect(await one.find(recordAt('keep1').uuid)).toMatchObject({ url: 'https://keep1:443' });
});

test('a service that was just added is not forgotten over a list that was begun before', async () => {
  let release: () => void = () => undefined;
  const slow = new Proxy({} as KVNamespace, {
    get:
      (_, name) =>
      async (...args: unknown[]) => {
        const result: unknown = await (Reflect.get(kv, name) as (...all: unknown[]) => Promise<unknown>).apply(
          kv,
          args,
        );
        if (name === 'list') await new Promise<void>((resolve) => (release = resolve));
        return result;
      },
  });
  const one = isolate({ kv: slow });
  const settled = (work: Promise<unknown>) => {
    const timer = setInterval(() => release(), 1);
    return work.finally(() => clearInterval(timer));
  };
  await settled(one.adminRecords());
  now += 2 * MINUTES;
  const earlier = release;
  const listing = one.adminRecords();
  await soon(() => (release === earlier ? null : true));
  const finish = release;
  await settled(one.putRecord(adminRecord('gateway')));
  finish();
  await listing;
  expect(await one.find(adminRecord('gateway').uuid)).toMatchObject({ url: 'https://gateway:443' });
});

test('while KV cannot say which services the admin added, no client is told that there is none', async () => {
  let isIll = true;
  const moody = failingKv(() => isIll);
  const gateway = adminRecord('gateway');
  await isolate().putRecord(gateway);
  const one = isolate({ kv: moody });
  await expect(one.find(gateway.uuid)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(one.adminRecords()).rejects.toMatchObject({ code: 'unavailable' });
  isIll = false;
  expect(await one.find(gateway.uuid)).toMatchObject({ url: 'https://gateway:443' });
  isIll = true;
  now += 60 * MINUTES;
  expect(await one.find(gateway.uuid)).toMatchObject({ url: 'https://gateway:443' });
});

test('a service is found although KV fails the first time that it is asked', async () => {
  let failures = 1;
  const stumbling = failingKv((name) => name === 'list' && failures-- > 0);
  const gateway = adminRecord('gateway');
  await isolate().putRecord(gateway);
  expect(await isolate({ kv: stumbling }).find(gateway.uuid)).toMatchObject({ url: 'https://gateway:443' });
  expect(failures).toBeLessThan(1);
});

test('the cron fills in all clusters; one that does not answer keeps its last list', async () => {
  await isolate().refresh();
  await Promise.all(work);
  expect(asked.sort()).toEqual(['https://far', 'https://home']);
  apis = { 'https://home': ['keep2'], 'https://far': null };
  now += 60 * MINUTES;
  const two = isolate();
  await two.refresh();
  expect(await urls(two)).toEqual(['https://keep2:443']);
  expect(await two.services('xfar0').list()).toMatchObject([{ url: 'https://keepfar:443' }]);
});

test('the admin’s services stand beside the API server’s, win over them, and are found by uuid', async () => {
  const one = isolate();
  await one.putRecord(adminRecord('gateway'));
  await one.putRecord(adminRecord('better', 'keep1'));
  expect((await urls(one)).sort()).toEqual(['https://better:443', 'https://gateway:443']);
  expect(await isolate().find(adminRecord('gateway').uuid)).toMatchObject({ url: 'https://gateway:443' });
  await one.deleteRecord(adminRecord('better', 'keep1').uuid);
  expect((await urls(one)).sort()).toEqual(['https://gateway:443', 'https://keep1:443']);
  expect(await one.find('xedge-bi6l4-zzzzzzzzzzzzzzz')).toBeNull();
});

test('without an API server there are only the admin’s services', async () => {
  const one = isolate({ apiUrlOf: () => null });
  expect(await urls(one)).toEqual([]);
  await one.putRecord(adminRecord('keep5'));
  expect(await urls(one)).toEqual(['https://keep5:443']);
  expect(asked).toEqual([]);
});

test('another isolate sees the admin’s change within a minute', async () => {
  const [one, two] = [isolate(), isolate()];
  expect(await two.adminRecords()).toEqual([]);
  await one.putRecord(adminRecord('keep5'));
  now += MINUTES;
  expect(await two.adminRecords()).toEqual([adminRecord('keep5')]);
});
