import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createToken, createUser, type TestUser } from '../support/api.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { bearer, blockOf, forged, md5, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';

/** Where collections and their blocks come from: our own database, a cluster's API, other clusters' services. */

const REMOTE_KEY = 'farkeyfarkeyfarkeyfarkeyfarkeyfarkeyfar';
const EDGE_ROOT = 'edgerootedgerootedgerootedgerootedgeroot';

let remote: TestService;
let cluster: TestService;
/** No volumes of its own: blocks come through the cluster's Keep services. */
let proxy: TestService;
/** Volumes of its own, accounts and collections at the cluster. */
let beside: TestService;
let user: TestUser;
let stranger: TestUser;
let near: TestBlock[];
let collection: TestCollection;

beforeAll(async () => {
  remote = await startService({ vars: { CLUSTER_ID: 'xfar0', BLOB_SIGNING_KEY: REMOTE_KEY } });
  cluster = await startService({
    vars: { REMOTE_CLUSTERS: { xfar0: { Host: new URL(remote.url).host, Scheme: 'http' } }, WEBDAV_CACHE_TTL: '0s' },
  });
  const common = { API_HOST: cluster.url, SYSTEM_ROOT_TOKEN: EDGE_ROOT, TOKEN_CACHE_TTL: '1s', WEBDAV_CACHE_TTL: '1s' };
  proxy = await startService({ vars: { ...common, VOLUMES: {} } });
  beside = await startService({ vars: common });
  user = await createUser(cluster, 'reader');
  stranger = await createUser(cluster, 'stranger');
  near = await stored(cluster, randomBlock(3_000_000), blockOf('the second block'));
  for (const block of near) await putBlock(beside.url, block, bearer(EDGE_ROOT));
  const locators = near.map(({ locator }) => locator).join(' ');
  collection = await createCollection(cluster, `. ${locators} 10:3000000:f\n`, { owner_uuid: user.uuid, name: 'Near' });
});
afterAll(() => Promise.all([remote, cluster, proxy, beside].map((service) => service?.stop())));

const whole = () => Buffer.concat(near.map(({ data }) => data)).subarray(10, 3_000_010);

describe.each([
  ['beside a cluster', () => beside],
  ['in front of a cluster, without volumes', () => proxy],
])('a service %s', (_, service) => {
  test('serves a file whole and in ranges, to those whom the cluster lets', async () => {
    const url = `${service().url}/c=${collection.uuid}/f`;
    const answer = await request(url, { token: user.token });
    expect(answer.status).toBe(200);
    expect(md5(answer.body)).toBe(md5(whole()));
    for (const [offset, length] of [
      [5, 10],
      [2_999_985, 15],
      [1_500_000, 1_400_000],
    ] as const) {
      const range = { range: `bytes=${offset}-${offset + length - 1}` };
      const part = await request(url, { token: user.token, headers: range });
      expect([part.status, md5(part.body)]).toEqual([206, md5(whole().subarray(offset, offset + length))]);
    }
    expect((await request(url, { token: stranger.token })).status).toBe(404);
    expect((await request(url, { token: 'v2/xedge-gj3su-000000000000000/unknown' })).status).toBe(401);
  });

  test('lists homes, and makes archives', async () => {
    const page = await request(`${service().url}/users/reader/Near/`, {
      token: user.token,
      headers: { accept: 'application/json' },
    });
    expect([page.status, JSON.parse(page.text).entries]).toEqual([
      200,
      [expect.objectContaining({ name: 'f', size: 3_000_000 })],
    ]);
    const zip = await request(`${service().url}/c=${collection.uuid}/?accept=application/zip&disposition=attachment`, {
      token: user.token,
    });
    expect([zip.status, zip.headers.get('content-length')]).toEqual([200, String(zip.body.length)]);
    if (hasTool('python3')) {
      const script =
        'import io, sys, zipfile; z = zipfile.ZipFile(io.BytesIO(bytes.fromhex(sys.stdin.read()))); print(z.testzip(), z.namelist())';
      expect((await tool('python3', ['-c', script], { input: Buffer.from(zip.body).toString('hex') })).trim()).toBe(
        "None ['f']",
      );
    }
  });

  test('takes a token that may read one collection and nothing else, as sharing links have it', async () => {
    const path = `/arvados/v1/collections/${collection.uuid}`;
    const token = await createToken(cluster, user.uuid, { scopes: [`GET ${path}`, `GET ${path}/`] });
    const answer = await request(`${service().url}/c=${collection.uuid}/t=${token}/f`, {
      token: null,
      headers: { range: 'bytes=0-3' },
    });
    expect(answer.status).toBe(206);
    const other = await createCollection(cluster, '', { owner_uuid: user.uuid });
    expect((await request(`${service().url}/c=${other.uuid}/t=${token}/`, { token: null })).status).toBe(404);
  });

  test('sees a change of the collection when its cache entry has expired, or at once when asked to', async () => {
    const made = await createCollection(cluster, `. ${near[1]?.locator} 0:3:before\n`, { owner_uuid: user.uuid });
    const ask = (name: string, headers = {}) =>
      request(`${service().url}/c=${made.uuid}/${name}`, { token: user.token, headers });
    expect((await ask('before')).text).toBe('the');
    await request(`${cluster.url}/arvados/v1/collections/${made.uuid}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ collection: { manifest_text: `. ${near[1]?.locator} 4:6:after\n` } }),
    });
    expect((await ask('after', { 'cache-control': 'no-cache' })).text).toBe('second');
    await expect.poll(async () => (await ask('before')).status, { timeout: 20_000 }).toBe(404);
  });
});

describe('a collection with blocks in another cluster', () => {
  const remoteOf = (block: TestBlock, token: string, expiry?: number) =>
    sign(block.locator, { token: saltedFor(token), key: REMOTE_KEY, ...(expiry && { expiry }) }).replace(
      '+A',
      '+Rxfar0-',
    );
  const read = (uuid: string, token = user.token) => request(`${cluster.url}/c=${uuid}/f`, { token });

  test('is read though one of the same content with a wrong or expired signature was opened first', async () => {
    const block = blockOf('signed twice');
    await putBlock(remote.url, block);
    const manifest = (locator: string) => `. ${locator} 0:12:f\n`;
    const good = remoteOf(block, user.token);
    for (const bad of [forged(good), remoteOf(block, user.token, 0x50000000)]) {
      const first = await createCollection(cluster, manifest(bad), { owner_uuid: user.uuid });
      expect((await read(first.uuid)).status).toBe(502);
      const second = await createCollection(cluster, manifest(good), { owner_uuid: user.uuid });
      expect((await read(second.uuid)).text).toBe('signed twice');
      expect((await read(first.uuid)).status).toBe(502);
      await request(`${cluster.url}/arvados/v1/collections/${first.uuid}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ collection: { manifest_text: manifest(good) } }),
      });
      expect((await read(first.uuid)).text).toBe('signed twice');
    }
  });

  test('is read after the signature that its files were opened with has expired, once it has a fresh one', async () => {
    const block = randomBlock(3_000_000);
    await putBlock(remote.url, block);
    const text = (expiry: number) => `. ${remoteOf(block, user.token, expiry)} 0:3000000:f\n`;
    const soon = Math.floor(Date.now() / 1000) + 6;
    const made = await createCollection(cluster, text(soon), { owner_uuid: user.uuid });
    expect((await read(made.uuid)).status).toBe(200);
    await expect.poll(async () => (await read(made.uuid)).status, { timeout: 20_000 }).toBe(502);
    await request(`${cluster.url}/arvados/v1/collections/${made.uuid}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ collection: { manifest_text: text(soon + 100_000) } }),
    });
    expect((await read(made.uuid)).status).toBe(200);
  });

  test('is not read out of the edge cache before that cluster has accepted the signature', async () => {
    const block = randomBlock(300_000);
    await putBlock(remote.url, block);
    const good = await createCollection(cluster, `. ${remoteOf(block, user.token)} 0:300000:f\n`, {
      owner_uuid: user.uuid,
    });
    expect((await read(good.uuid)).status).toBe(200);
    const locator = forged(remoteOf(block, user.token));
    // Another path, so that the content is another collection's.
    const other = await createCollection(cluster, `./other ${locator} 0:300000:f\n`, { owner_uuid: user.uuid });
    const answer = await request(`${cluster.url}/c=${other.uuid}/other/f`, {
      token: user.token,
      headers: { range: 'bytes=0-9' },
    });
    expect(answer.status).toBe(502);
  });

  test('is read from there with a salted token, whole and in ranges, and not with a signature of another', async () => {
    const blocks = [blockOf('far away block'), randomBlock(2_500_000)];
    for (const block of blocks) await putBlock(remote.url, block);
    const salted = saltedFor(user.token);
    const locators = blocks.map(({ locator }) =>
      sign(locator, { token: salted, key: REMOTE_KEY }).replace('+A', '+Rxfar0-'),
    );
    const made = await createCollection(cluster, `. ${locators.join(' ')} ${near[1]?.locator} 4:2500026:mixed\n`, {
      owner_uuid: user.uuid,
    });
    const data = Buffer.concat([...blocks, near[1] as TestBlock].map((block) => block.data)).subarray(4, 2_500_030);
    const url = `${cluster.url}/c=${made.uuid}/mixed`;
    const middle = await request(url, { token: user.token, headers: { range: 'bytes=2000000-2400000' } });
    expect([middle.status, md5(middle.body)]).toEqual([206, md5(data.subarray(2_000_000, 2_400_001))]);
    expect(md5((await request(url, { token: user.token })).body)).toBe(md5(data));
    await remote.stop();
    const kept = () => request(url, { token: user.token, headers: { range: 'bytes=20-30' } });
    // A moment after the answer.
    await expect.poll(async () => (await kept()).status, { message: 'the edge cache has it' }).toBe(206);
    expect(md5((await kept()).body)).toBe(md5(data.subarray(20, 31)));
  });
});

function saltedFor(token: string): string {
  const [version, uuid, secret = ''] = token.split('/');
  return [version, uuid, createHmac('sha1', secret).update('xfar0').digest('hex')].join('/');
}
