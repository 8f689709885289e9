import { createHmac } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blockOf, forged, md5, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import {
  answering,
  type Behaviour,
  DEAD_URL,
  hanging,
  type KeepServer,
  serving,
  startKeepServer,
} from '../support/keep-server.ts';
import { rawRequest } from '../support/raw-http.ts';
import { startService, type TestService } from '../support/service.ts';

/** Three clusters on one machine: `home` reads from `remote` and, through a list that the tests control, from `faulty`. */
const SECRET = '4kp0spec5ecret00000000000000000000000000000000abcd';
const TOKEN = `v2/xhome-gj3su-0123456789abcde/${SECRET}`;
const HOME_KEY = 'homekeyhomekeyhomekeyhomekeyhomekeyhome';
const THIRD_KEY = 'thirdkeythirdkeythirdkeythirdkeythirdkey';
const REMOTE_KEY = 'farkeyfarkeyfarkeyfarkeyfarkeyfarkeyfar';
const saltedFor = (clusterId: string, secret = SECRET) =>
  `v2/xhome-gj3su-0123456789abcde/${createHmac('sha1', secret).update(clusterId).digest('hex')}`;
/** As the controller of `home` hands it out: a signature of the other cluster, over the salted token, spelled +R. */
const remoteLocator = (block: TestBlock, clusterId = 'xfar0', options: { token?: string; expiry?: number } = {}) =>
  sign(block.locator, { token: saltedFor(clusterId), key: REMOTE_KEY, ...options }).replace('+A', `+R${clusterId}-`);

let home: TestService;
let remote: TestService;
let third: TestService;
let faultyApis: KeepServer[];
let blocks: { small: TestBlock; large: TestBlock };

/** Records of services that a client asks for `hash` in the order given. */
const listing = (hash: string, urls: string[]) => {
  const weight = (tail: string) => md5(hash + tail);
  const tails = urls
    .map((_, index) => String(index).padStart(15, '0'))
    .sort((a, b) => (weight(a) < weight(b) ? 1 : -1));
  const items = urls.map((url, index) => ({
    uuid: `xfau0-bi6l4-${tails[index]}`,
    service_host: new URL(url).hostname,
    service_port: Number(new URL(url).port),
    service_ssl_flag: false,
    service_type: 'proxy',
  }));
  return { status: 200, body: JSON.stringify({ items }) };
};

/** Clusters whose Keep services are given by the test; a new id each time, because lists are kept. */
const faulty: Record<string, ReturnType<typeof listing>> = {};
const FAULTY_IDS = Array.from({ length: 30 }, (_, index) => `xba${String(index).padStart(2, '0')}`);
let used = 0;
const clusterFor = ({ hash }: TestBlock, ...urls: string[]): string => {
  const id = FAULTY_IDS[used++] ?? '';
  faulty[id] = listing(hash, urls);
  return id;
};

beforeAll(async () => {
  remote = await startService({ vars: { CLUSTER_ID: 'xfar0', BLOB_SIGNING_KEY: REMOTE_KEY } });
  third = await startService({ vars: { CLUSTER_ID: 'xthrd', BLOB_SIGNING_KEY: THIRD_KEY } });
  faultyApis = await Promise.all(FAULTY_IDS.map((id) => startKeepServer(() => faulty[id] ?? { status: 503 })));
  const remotes = Object.fromEntries(
    FAULTY_IDS.map((id, index) => [id, { Host: `127.0.0.1:${faultyApis[index]?.port}`, Scheme: 'http' }]),
  );
  home = await startService({
    vars: {
      CLUSTER_ID: 'xhome',
      BLOB_SIGNING_KEY: HOME_KEY,
      TRANSFER_WINDOW: '8s',
      KEEP_HINT_URL: 'http://*.localhost:1',
      REMOTE_CLUSTERS: {
        xfar0: { Host: new URL(remote.url).host, Scheme: 'http' },
        xthrd: { Host: new URL(third.url).host, Scheme: 'http' },
        xdown: { Host: new URL(DEAD_URL).host, Scheme: 'http' },
        ...remotes,
      },
    },
  });
  blocks = { small: blockOf('a block of another cluster'), large: randomBlock(5_000_000) };
  for (const block of Object.values(blocks)) await putBlock(remote.url, block);
});

afterAll(() => Promise.all([home, remote, third, ...faultyApis].map((one) => one.stop())));

const get = (locator: string, options: Parameters<typeof request>[1] = {}) =>
  request(`${home.url}/${locator}`, { token: TOKEN, ...options });

describe('A +R locator', () => {
  test('is read from the other cluster, whatever its size', async () => {
    for (const block of Object.values(blocks)) {
      const answer = await get(remoteLocator(block));
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-length')).toBe(String(block.data.length));
      expect(Buffer.compare(answer.body, block.data)).toBe(0);
      expect(answer.headers.get('vary')).toBe('X-Keep-Signature');
    }
  });

  test('shows the other cluster a token salted for it, never the caller’s own, and the caller’s request id', async () => {
    const block = blockOf('who is asking?');
    await using spy = await startKeepServer(serving(block.data));
    const id = clusterFor(block, spy.url);
    const answer = await get(`${remoteLocator(block, id)}+Zopaque`, {
      headers: { 'X-Request-Id': 'req-12345678901234567890' },
    });
    expect(answer.text).toBe('who is asking?');
    expect(spy.seen).toHaveLength(1);
    expect(spy.seen[0]!.headers.authorization).toBe(`Bearer ${saltedFor(id)}`);
    expect(spy.seen[0]!.headers['x-request-id']).toBe('req-12345678901234567890');
    expect(spy.seen[0]!.path).toBe(`/${sign(block.locator, { token: saltedFor(id), key: REMOTE_KEY })}+Zopaque`);
    expect(JSON.stringify(spy.seen)).not.toContain(SECRET);
  });

  test('is accepted by the other cluster for the salted token only: its log tells', async () => {
    const block = blockOf('salted or not');
    await putBlock(remote.url, block);
    const ids = ['req-aaaaaaaaaaaaaaaaaaaa', 'req-bbbbbbbbbbbbbbbbbbbb'] as const;
    const good = await get(remoteLocator(block), { headers: { 'X-Request-Id': ids[0] } });
    const bad = await get(remoteLocator(block, 'xfar0', { token: TOKEN }), { headers: { 'X-Request-Id': ids[1] } });
    expect([good.status, bad.status]).toEqual([200, 404]);
    expect(bad.text).toContain('400 invalid signature');
    const logged = (id: string) => remote.waitForLog((line) => line.RequestID === id);
    expect((await logged(ids[0])).respStatusCode).toBe(200);
    expect((await logged(ids[1])).respStatusCode).toBe(400);
    expect(JSON.stringify([...remote.logs, ...home.logs])).not.toContain(SECRET);
    expect(JSON.stringify([...remote.logs, ...home.logs])).not.toContain(saltedFor('xfar0').slice(-40));
  });

  test('of a third cluster is read with the third’s key and salt, and no other’s', async () => {
    const block = blockOf('in the third cluster');
    await putBlock(third.url, block);
    const signed = (salt: string, key: string) =>
      sign(block.locator, { token: saltedFor(salt), key }).replace('+A', '+Rxthrd-');
    const good = await get(signed('xthrd', THIRD_KEY));
    expect([good.status, good.text]).toEqual([200, 'in the third cluster']);
    expect((await get(signed('xfar0', THIRD_KEY))).status).toBe(404);
    expect((await get(signed('xthrd', REMOTE_KEY))).status).toBe(404);
  });

  test('HEAD tells the size, asked of the other cluster', async () => {
    const answer = await get(remoteLocator(blocks.large), { method: 'HEAD' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-length')).toBe('5000000');
    expect(answer.headers.get('x-keep-locator')).toBeNull();
  });

  test('without a size is 405, as for a local block', async () => {
    expect((await get(remoteLocator(blocks.small).replace(/\+\d+/, ''))).status).toBe(405);
  });
});

describe('What cannot be read from another cluster', () => {
  test.each([
    ['no token', { token: null }, 401, 'no token provided in Authorization header\n'],
    ['an obsolete v1 token', { token: SECRET }, 400, /obsolete|token format/],
    ['something that is no token', { token: 'xyz' }, 400, /token/],
    ['a token that is salted already', { token: saltedFor('xfar0') }, 400, /already salted/],
  ])('%s', async (_why, options, status, text) => {
    const answer = await get(remoteLocator(blocks.small), options);
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(text);
  });

  test.each([
    ['an unknown cluster', '+Rzzzzz-', 400, 'remote cluster not configured\n'],
    ['a hint that is none', '+Rfoo', 400, 'invalid remote hint\n'],
  ])('%s', async (_why, hint, status, text) => {
    const answer = await get(
      remoteLocator(blocks.small)
        .replace('+Rxfar0-', hint)
        .replace(/\+Rfoo.*/, '+Rfoo'),
    );
    expect([answer.status, answer.text]).toEqual([status, text]);
  });

  test('a signature that the other cluster refuses, or that has expired, is not found', async () => {
    const wrong = forged(remoteLocator(blocks.small));
    expect([(await get(wrong)).status, (await get(wrong, { method: 'HEAD' })).status]).toEqual([404, 404]);
    const expired = await get(remoteLocator(blocks.small, 'xfar0', { expiry: 0x50000000 }));
    expect(expired.status).toBe(404);
    expect(expired.text).toContain('401 expired signature');
    expect(expired.text).not.toContain('127.0.0.1');
  });

  test('a block that the other cluster does not have', async () => {
    expect((await get(remoteLocator(blockOf('never stored')))).status).toBe(404);
  });

  test('a cluster whose API server is down is a bad gateway: it may be up again soon', async () => {
    const answer = await get(remoteLocator(blocks.small, 'xdown'));
    expect([answer.status, answer.text.includes('127.0.0.1')]).toEqual([502, false]);
  });

  test('a locator with a local signature is local, +R or not', async () => {
    const block = blockOf('only elsewhere');
    await putBlock(remote.url, block);
    const both =
      sign(block.locator, { token: TOKEN, key: HOME_KEY }) + remoteLocator(block).slice(block.locator.length);
    const answer = await get(both);
    expect(answer.status).toBe(404);
    expect(answer.text).toBe('file does not exist\n');
  });
});

describe('Services of the other cluster that fail', () => {
  test('a dead first one: the next delivers', async () => {
    const block = randomBlock(700_000);
    await using good = await startKeepServer(serving(block.data));
    const answer = await get(remoteLocator(block, clusterFor(block, DEAD_URL, good.url)));
    expect([answer.status, Buffer.compare(answer.body, block.data)]).toEqual([200, 0]);
  });

  test('one that hangs in the headers, and one that trickles: the next delivers', async () => {
    const block = randomBlock(700_000);
    await using good = await startKeepServer(serving(block.data));
    await using hangs = await startKeepServer(hanging);
    await using trickles = await startKeepServer(async (_request, response) => {
      response.writeHead(200, { 'Content-Length': String(block.data.length) });
      while (!response.destroyed) {
        response.write('drip');
        await wait(100);
      }
      return undefined;
    });
    const answer = await get(remoteLocator(block, clusterFor(block, hangs.url, trickles.url, good.url)));
    expect([answer.status, Buffer.compare(answer.body, block.data)]).toEqual([200, 0]);
    expect([hangs, trickles, good].map(({ seen }) => seen.length)).toEqual([1, 1, 1]);
  });

  test('one that lies about a small block: the next delivers', async () => {
    const block = blockOf('the truth');
    await using good = await startKeepServer(serving(block.data));
    await using liar = await startKeepServer(serving('the trutH'));
    expect((await get(remoteLocator(block, clusterFor(block, liar.url, good.url)))).text).toBe('the truth');
    expect([liar.seen.length, good.seen.length]).toEqual([1, 1]);
  });

  test('corrupt bytes of a large block are never a complete answer, and never come out of the cache', async () => {
    const block = randomBlock(2_000_000);
    const corrupt = Uint8Array.from(block.data);
    corrupt[1_999_999]! ^= 1;
    await using liar = await startKeepServer(serving(corrupt));
    const id = clusterFor(block, liar.url);
    for (let time = 0; time < 2; time++) {
      const answer = await rawRequest(home.url, {
        path: `/${remoteLocator(block, id)}`,
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      expect(answer.status).toBe(200);
      expect(answer.complete).toBe(false);
      expect(answer.body.length).toBeLessThan(block.data.length);
    }
    expect(liar.seen).toHaveLength(2);
  });

  test('all of them saying no is not found', async () => {
    await using no = await startKeepServer(answering(403));
    expect((await get(remoteLocator(blocks.small, clusterFor(blocks.small, no.url)))).status).toBe(404);
  });
});

describe('X-Keep-Signature: local', () => {
  const LOCAL = { 'X-Keep-Signature': 'local, time=2026-01-01T00:00:00Z' };

  test.each(['GET', 'HEAD'])('a %s stores the block here and names it, signed for the caller', async (method) => {
    const block = randomBlock(method === 'GET' ? 3_000_000 : 100);
    await putBlock(remote.url, block);
    const answer = await get(`${remoteLocator(block)}+Zopaque`, { method, headers: LOCAL });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-length')).toBe(String(block.data.length));
    if (method === 'GET') expect(Buffer.compare(answer.body, block.data)).toBe(0);
    const locator = answer.headers.get('x-keep-locator') ?? '';
    expect(locator).toMatch(new RegExp(`^${block.hash}\\+${block.data.length}\\+A[0-9a-f]{40}@[0-9a-f]{8}$`));
    const local = await get(locator);
    expect([local.status, Buffer.compare(local.body, block.data)]).toEqual([200, 0]);
    expect((await get(locator, { token: `${TOKEN}/other` })).status).toBe(400);
    expect(await home.r2('BLOCKS').get(`${block.hash.slice(0, 3)}/${block.hash}`)).not.toBeNull();
  });

  test('the new locator is not the last header: a widespread client would spoil it', async () => {
    const answer = await rawRequest(home.url, {
      method: 'HEAD',
      path: `/${remoteLocator(blocks.small)}`,
      headers: { authorization: `Bearer ${TOKEN}`, ...LOCAL },
    });
    expect(answer.headers['x-keep-locator']).toContain(blocks.small.hash);
    expect(Object.keys(answer.headers).at(-1)).not.toBe('x-keep-locator');
  });

  test.each(['local', 'local,'])('%j is meant; other spellings are not', async (value) => {
    const answer = await get(remoteLocator(blocks.small), { method: 'HEAD', headers: { 'X-Keep-Signature': value } });
    expect(answer.headers.get('x-keep-locator')).not.toBeNull();
    for (const other of ['Local', 'locally', 'time=1, local']) {
      const plain = await get(remoteLocator(blocks.small), { method: 'HEAD', headers: { 'X-Keep-Signature': other } });
      expect([plain.status, plain.headers.get('x-keep-locator')]).toEqual([200, null]);
    }
  });

  test('nothing corrupt is stored, and the next service is asked', async () => {
    const block = randomBlock(400_000);
    const corrupt = Uint8Array.from(block.data);
    corrupt[0]! ^= 1;
    await using liar = await startKeepServer(serving(corrupt));
    await using good = await startKeepServer(serving(block.data));
    const failed = await get(remoteLocator(block, clusterFor(block, liar.url)), { headers: LOCAL });
    expect([failed.status, failed.headers.get('x-keep-locator')]).toEqual([404, null]);
    expect(await home.r2('BLOCKS').get(`${block.hash.slice(0, 3)}/${block.hash}`)).toBeNull();
    const answer = await get(remoteLocator(block, clusterFor(block, liar.url, good.url)), { headers: LOCAL });
    expect([answer.status, Buffer.compare(answer.body, block.data)]).toEqual([200, 0]);
  });
});

describe('A copy whose source fails', () => {
  const LOCAL = { 'X-Keep-Signature': 'local' };
  const breaking =
    (data: Uint8Array, announced: boolean): Behaviour =>
    (_request, response) => {
      response.writeHead(200, announced ? { 'Content-Length': String(data.byteLength) } : {});
      response.write(data.subarray(0, data.byteLength / 2), () => setTimeout(() => response.destroy(), 50));
      return undefined;
    };
  const unannounced =
    (data: Uint8Array): Behaviour =>
    (_request, response) => {
      response.writeHead(200);
      response.write(data.subarray(0, 10_000));
      response.end(data.subarray(10_000));
      return undefined;
    };

  test.each([
    ['breaks off', (data: Uint8Array) => breaking(data, true)],
    ['breaks off without a length', (data: Uint8Array) => breaking(data, false)],
    ['is too short', (data: Uint8Array) => unannounced(data.subarray(0, -1))],
    ['is too long', (data: Uint8Array) => unannounced(Buffer.concat([data, Buffer.from('x')]))],
  ])('one that %s: the next service is asked; alone it is not found', async (_how, failing) => {
    const block = randomBlock(2_000_000);
    await using bad = await startKeepServer(failing(block.data));
    await using good = await startKeepServer(serving(block.data));
    const alone = await get(remoteLocator(block, clusterFor(block, bad.url)), { headers: LOCAL });
    expect([alone.status, alone.headers.get('x-keep-locator')]).toEqual([404, null]);
    const answer = await get(remoteLocator(block, clusterFor(block, bad.url, good.url)), { headers: LOCAL });
    expect([answer.status, Buffer.compare(answer.body, block.data)]).toEqual([200, 0]);
  });

  test('one that announces no length is copied: the locator has the size', async () => {
    const block = randomBlock(2_000_000);
    await using service = await startKeepServer(unannounced(block.data));
    const answer = await get(remoteLocator(block, clusterFor(block, service.url)), { headers: LOCAL });
    expect([answer.status, Buffer.compare(answer.body, block.data)]).toEqual([200, 0]);
    expect(answer.headers.get('x-keep-locator')).toContain(block.locator);
  });
});

describe('The empty block of another cluster', () => {
  const empty = blockOf('');

  test.each(['GET', 'HEAD'])('a %s asks there whether the signature is right', async (method) => {
    expect((await get(remoteLocator(empty), { method })).status).toBe(200);
    const wrong = forged(remoteLocator(empty));
    expect((await get(wrong, { method })).status).toBe(404);
    expect((await get(wrong, { method, headers: { 'X-Keep-Signature': 'local' } })).status).toBe(404);
  });

  test('is read from a cluster that has not stored it', async () => {
    await using service = await startKeepServer(answering(404));
    expect((await get(remoteLocator(empty, clusterFor(empty, service.url)))).status).toBe(200);
  });

  test.each(['GET', 'HEAD'])('of another size is not found by %s', async (method) => {
    const locator = remoteLocator(empty).replace('+0+', '+5+');
    expect((await get(locator, { method })).status).toBe(404);
    expect((await get(locator, { method, headers: { 'X-Keep-Signature': 'local' } })).status).toBe(404);
  });
});

test('a busy service, 429 or 408, is asked again', async () => {
  for (const status of [429, 408]) {
    const block = randomBlock(1000);
    let asked = 0;
    await using busy = await startKeepServer((...exchange) =>
      (asked++ === 0 ? answering(status) : serving(block.data))(...exchange),
    );
    expect((await get(remoteLocator(block, clusterFor(block, busy.url)))).status).toBe(200);
    expect(asked).toBe(2);
  }
});

describe('The edge cache', () => {
  test('answers for a block whose signature the other cluster has accepted, and for no other', async () => {
    const block = randomBlock(600_000);
    await using spy = await startKeepServer(serving(block.data));
    const id = clusterFor(block, spy.url);
    const locator = remoteLocator(block, id);
    await get(locator);
    expect(spy.seen).toHaveLength(1);
    await expect.poll(async () => (await get(locator)).headers.get('keep-edge-status')).toBe('hit');
    const asked = spy.seen.length;
    expect(Buffer.compare((await get(locator)).body, block.data)).toBe(0);
    expect(spy.seen).toHaveLength(asked);
    // Another token, and another signature of the same token, have to prove themselves there.
    await get(locator, { token: `v2/xhome-gj3su-0123456789abcdf/${SECRET}` });
    expect(spy.seen).toHaveLength(asked + 1);
    spy.behave(answering(400));
    expect((await get(remoteLocator(block, id, { expiry: 0x7ffffffe }))).status).toBe(404);
    expect((await get(block.locator)).status).toBe(400);
  });

  test('does not answer once the signature has expired', async () => {
    const block = randomBlock(1000);
    await using spy = await startKeepServer(serving(block.data));
    const locator = remoteLocator(block, clusterFor(block, spy.url), { expiry: Math.floor(Date.now() / 1000) + 5 });
    expect((await get(locator)).status).toBe(200);
    spy.behave(answering(401, 'expired signature\n'));
    await expect.poll(async () => (await get(locator)).status, { timeout: 10_000 }).toBe(404);
  });
});
