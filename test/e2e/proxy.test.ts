import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { adopted } from '../support/gateways.ts';
import { bearer, blockOf, md5, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import {
  answering,
  type Behaviour,
  hanging,
  type KeepServer,
  serving,
  startKeepServer,
  storing,
} from '../support/keep-server.ts';
import { brokenUpload, rawRequest } from '../support/raw-http.ts';
import { type S3Request, s3Request } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';

const NO_VOLUMES = { VOLUMES: {} };
const GATEWAY = 'xclus-bi6l4-lake00000000000';

describe('A proxy before a cluster of ours', () => {
  let cluster: TestService;
  let proxy: TestService;
  let user: TestUser;
  const put = (block: TestBlock, options: Parameters<typeof request>[1] = {}) =>
    request(`${proxy.url}/${block.hash}`, { method: 'PUT', token: user.token, body: block.data, ...options });
  const get = (locator: string, options: Parameters<typeof request>[1] = {}) =>
    request(`${proxy.url}/${locator}`, { token: user.token, ...options });

  beforeAll(async () => {
    cluster = await startService({ vars: { CLUSTER_ID: 'xclus' } });
    proxy = await startService({
      vars: {
        CLUSTER_ID: 'xclus',
        API_HOST: cluster.url,
        DEFAULT_REPLICATION: 1,
        ...NO_VOLUMES,
        GATEWAYS: { [GATEWAY]: { Name: 'lake', Driver: 'R2', DriverParameters: { Binding: 'LAKE', Bucket: 'lake' } } },
      },
      r2: ['STAGING', 'LAKE'],
    });
    user = await createUser(cluster, 'proxied');
  });
  afterAll(() => Promise.all([cluster, proxy].map((one) => one.stop())));

  test.each([0, 11, 5_000_000])('stores and reads a block of %i bytes', async (size) => {
    const block = randomBlock(size);
    const stored = await put(block);
    expect(stored.status).toBe(200);
    expect(stored.text).toMatch(new RegExp(`^${block.hash}\\+${size}\\+A[0-9a-f]{40}@[0-9a-f]{8}$`));
    expect(stored.headers.get('x-keep-replicas-stored')).toBe('2');
    expect(stored.headers.get('via')).toBe('HTTP/1.1 keepproxy');
    const read = await get(stored.text);
    expect([read.status, Buffer.compare(read.body, block.data)]).toEqual([200, 0]);
    expect(read.headers.get('content-length')).toBe(String(size));
    expect(read.headers.get('via')).toBe('HTTP/1.1 keepproxy');
    const head = await get(stored.text, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(size)]);
  });

  test('what a gateway here no longer has is read from the keepstores, when they have it', async () => {
    const [copied, lost] = ['adopted and copied', 'adopted and lost'].map(blockOf) as [TestBlock, TestBlock];
    for (const block of [copied, lost]) await proxy.r2('LAKE').put(`run/${block.hash}`, block.data);
    expect(await adopted(proxy, { source: 's3://lake/run' })).toMatchObject({ phase: 'done', problems: [] });
    await request(`${cluster.url}/${copied.hash}`, { method: 'PUT', body: copied.data });
    for (const block of [copied, lost]) await proxy.r2('LAKE').put(`run/${block.hash}`, new Uint8Array(5));
    const made = await api(cluster, 'collections', {
      token: user.token,
      body: {
        collection: {
          manifest_text: `. ${[copied, lost].map(({ locator }) => sign(locator, { token: user.token })).join(' ')} 0:18:copied 18:16:lost\n`,
        },
      },
    });
    const file = (name: string) => request(`${proxy.url}/c=${made.json.uuid}/${name}`, { token: user.token });
    for (const answer of [await get(sign(copied.locator, { token: user.token })), await file('copied')])
      expect([answer.status, answer.text]).toEqual([200, 'adopted and copied']);
    for (const answer of [await get(sign(lost.locator, { token: user.token })), await file('lost')])
      expect([answer.status, answer.text]).toEqual([502, expect.stringContaining('was overwritten')]);
  });

  test.each([100, 3_000_000])('finds the name of a POSTed block of %i bytes', async (size) => {
    const block = randomBlock(size);
    const stored = await request(`${proxy.url}/`, { method: 'POST', token: user.token, body: block.data });
    expect([stored.status, stored.text.split('+A')[0]]).toEqual([200, block.locator]);
    expect(Buffer.compare((await get(stored.text)).body, block.data)).toBe(0);
  });

  describe('files written by WebDAV', () => {
    const dav = (service: TestService, path: string, options: Parameters<typeof request>[1] = {}) =>
      request(`${service.url}/c=${path}`, { token: user.token, ...options });
    const created = async () =>
      (await api(cluster, 'collections', { token: user.token, body: { collection: { manifest_text: '' } } })).json.uuid;

    test('go to the keepstores block by block; STAGING holds a large one meanwhile, and nothing afterwards', async () => {
      const uuid = await created();
      for (const size of [0, 11, 3_000_000]) {
        const { data } = randomBlock(size);
        expect((await dav(proxy, `${uuid}/file-${size}`, { method: 'PUT', body: data })).status).toBe(201);
        expect(Buffer.compare((await dav(proxy, `${uuid}/file-${size}`)).body, data)).toBe(0);
      }
      const { data } = randomBlock(9_000_000);
      const init = {
        method: 'PUT',
        headers: bearer(user.token),
        body: new Blob([data as BlobPart]).stream(),
        duplex: 'half',
      };
      expect((await fetch(`${proxy.url}/c=${uuid}/streamed`, init as RequestInit)).status).toBe(201);
      expect(Buffer.compare((await dav(proxy, `${uuid}/streamed`)).body, data)).toBe(0);
      expect(await proxy.r2('STAGING').list()).toEqual([]);
      const { json } = await api(cluster, `collections/${uuid}`);
      expect([json.file_count, json.file_size_total]).toEqual([4, 12_000_011]);
    });

    test('by S3, in one request or in parts, they go to the keepstores too', async () => {
      const uuid = await created();
      const whole = user.token.replaceAll('/', '_');
      const s3 = (path: string, options: S3Request = {}) =>
        s3Request(proxy, `/${uuid}/${path}`, {
          keys: { accessKeyId: whole, secretAccessKey: whole },
          ...options,
        });
      expect((await s3('one', { method: 'PUT', body: 'one request' })).status).toBe(200);
      const id = /<UploadId>(.*)<\/UploadId>/.exec((await s3('two?uploads', { method: 'POST' })).text)?.[1];
      const data = [randomBlock(2_000_000).data, randomBlock(5).data];
      const etags = await Promise.all(
        data.map(async (body, i) =>
          (await s3(`two?uploadId=${id}&partNumber=${i + 1}`, { method: 'PUT', body })).headers.get('etag'),
        ),
      );
      const parts = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
      const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
      expect((await s3(`two?uploadId=${id}`, { method: 'POST', body })).status).toBe(200);
      expect((await s3('one')).text).toBe('one request');
      expect(Buffer.compare((await s3('two')).body, Buffer.concat(data))).toBe(0);
      expect(await proxy.r2('STAGING').list()).toEqual([]);
    });

    test('without STAGING, a body over a megabyte needs its MD5: 411 says so; smaller ones need nothing', async () => {
      await using bare = await startService({
        vars: { CLUSTER_ID: 'xclus', API_HOST: cluster.url, DEFAULT_REPLICATION: 1, ...NO_VOLUMES },
      });
      const uuid = await created();
      expect((await dav(bare, `${uuid}/small`, { method: 'PUT', body: 'small' })).status).toBe(201);
      const { data, hash } = randomBlock(2_000_000);
      const refused = await dav(bare, `${uuid}/large`, { method: 'PUT', body: data });
      expect([refused.status, refused.text]).toEqual([411, expect.stringContaining('STAGING')]);
      const headers = { 'content-md5': Buffer.from(hash, 'hex').toString('base64') };
      expect((await dav(bare, `${uuid}/large`, { method: 'PUT', body: data, headers })).status).toBe(201);
      expect(Buffer.compare((await dav(bare, `${uuid}/large`)).body, data)).toBe(0);
    });
  });

  test('the cache answers whom a keepstore has let in with that signature, and no other token', async () => {
    const block = randomBlock(400_000);
    const { text: locator } = await put(block);
    const seen = async () => {
      await cluster.allLogged();
      return cluster.logs.filter((line) => typeof line === 'object' && line.locator === block.hash).length;
    };
    await expect.poll(async () => (await get(locator)).headers.get('keep-edge-status')).toBe('hit');
    const before = await seen();
    expect((await get(locator)).headers.get('keep-edge-status')).toBe('hit');
    expect(await seen()).toBe(before);
    const other = await createUser(cluster, 'curious');
    expect((await get(locator, { token: other.token })).status).toBe(422);
    expect((await get(block.locator)).status).toBe(422);
  });

  test.each([
    ['no token', null],
    [
      'a token that the cluster does not know',
      'v2/xclus-gj3su-000000000000000/nosuchtokennosuchtokennosuchtoken000000000000000000',
    ],
  ])('%s is 403, for reading and writing', async (_why, token) => {
    const block = blockOf('who are you?');
    expect((await put(block, { token })).status).toBe(403);
    expect((await get(sign(block.locator, { token: token ?? '' }), { token })).status).toBe(403);
  });

  test('a block that is not there is 404, a bad or expired signature 422 without addresses', async () => {
    const block = blockOf('no service has this');
    expect(await get(sign(block.locator, { token: user.token }))).toMatchObject({
      status: 404,
      text: 'Block not found\n',
    });
    const bad = await get(block.locator);
    expect(bad).toMatchObject({ status: 422, text: expect.stringContaining('400 invalid signature') });
    expect(bad.text).not.toContain('127.0.0.1');
    const expired = await get(sign(block.locator, { token: user.token, expiry: 0x50000000 }));
    expect(expired).toMatchObject({ status: 422, text: expect.stringContaining('401 expired signature') });
    expect((await get(sign(block.hash, { token: user.token }))).status).toBe(422);
  });

  test('the empty block needs no keepstore', async () => {
    expect(await get('d41d8cd98f00b204e9800998ecf8427e+0')).toMatchObject({ status: 200, text: '' });
  });

  test('a request that came through a proxy already is a loop', async () => {
    const headers = { Via: 'HTTP/1.1 keepproxy' };
    expect(await get(blockOf('loop').locator, { headers })).toMatchObject({
      status: 500,
      text: expect.stringContaining('loop'),
    });
    expect((await put(blockOf('loop'), { headers })).status).toBe(500);
  });

  test('what cannot be a block is refused before it is read', async () => {
    const block = blockOf('a block');
    const authorization = `Bearer ${user.token}`;
    const chunked = await rawRequest(proxy.url, {
      method: 'PUT',
      path: `/${block.hash}`,
      headers: { authorization, 'transfer-encoding': 'chunked' },
    });
    expect(chunked.status).toBe(411);
    expect(
      (await request(`${proxy.url}/${block.hash}+6`, { method: 'PUT', token: user.token, body: block.data })).status,
    ).toBe(400);
    expect(
      (await request(`${proxy.url}/${block.hash}+7`, { method: 'PUT', token: user.token, body: block.data })).status,
    ).toBe(200);
    const large = await rawRequest(proxy.url, {
      method: 'PUT',
      path: `/${block.hash}`,
      headers: { authorization, 'content-length': String((64 << 20) + 1) },
    });
    expect([large.status, large.headers['x-keep-replicas-stored']]).toEqual([413, '0']);
  });

  test('a body that is not the block is 502, and nothing is stored', async () => {
    const answer = await put({ ...blockOf('the body'), hash: md5('another') });
    expect([answer.status, answer.headers.get('x-keep-replicas-stored')]).toEqual([502, '0']);
  });

  test('no copies wanted: nothing is written', async () => {
    const block = blockOf('no copies of me');
    expect(await put(block, { headers: { 'X-Keep-Desired-Replicas': '0' } })).toMatchObject({ status: 200, text: '' });
    expect((await get(sign(block.locator, { token: user.token }))).status).toBe(404);
  });
});

describe('A proxy before several keepstores', () => {
  const TOKEN = 'v2/xmany-gj3su-0123456789abcde/4kp0spec5ecret00000000000000000000000000000000abcd';
  const block = randomBlock(3_000_000);
  let keepstores: KeepServer[];
  let api: KeepServer;
  let proxy: TestService;

  beforeAll(async () => {
    keepstores = await Promise.all([1, 2, 3, 4].map(() => startKeepServer()));
    const weight = (tail: string) => md5(block.hash + tail);
    const tails = keepstores
      .map((_, index) => String(index).padStart(15, '0'))
      .sort((a, b) => (weight(a) < weight(b) ? 1 : -1));
    const items = keepstores.map(({ host, port }, index) => ({
      uuid: `xmany-bi6l4-${tails[index]}`,
      service_host: host,
      service_port: port,
      service_ssl_flag: false,
      service_type: 'disk',
    }));
    api = await startKeepServer(({ url }) => {
      const records: Record<string, unknown> = {
        '/arvados/v1/users/current': { uuid: 'xmany-tpzed-000000000000001', is_active: true },
        '/arvados/v1/api_client_authorizations/current': { uuid: TOKEN.split('/')[1], scopes: ['all'] },
        '/arvados/v1/keep_services/accessible': { items },
      };
      const record = records[url?.split('?')[0] ?? ''];
      return record === undefined ? { status: 404 } : { status: 200, body: JSON.stringify(record) };
    });
    proxy = await startService({
      vars: { CLUSTER_ID: 'xmany', API_HOST: api.url, TRANSFER_WINDOW: '8s', ...NO_VOLUMES },
    });
  });
  afterAll(() => Promise.all([proxy, api, ...keepstores].map((one) => one.stop())));
  beforeEach(() => {
    for (const keepstore of keepstores) {
      keepstore.seen.length = 0;
      keepstore.behave(storing({ 'X-Keep-Storage-Classes-Confirmed': 'default=1' }));
    }
  });

  const put = (headers: Record<string, string> = {}) =>
    request(`${proxy.url}/${block.hash}`, { method: 'PUT', token: TOKEN, body: block.data, headers });
  const received = () =>
    keepstores.map(({ seen }) => seen.filter(({ method }) => method === 'PUT').map(({ bodyBytes }) => bodyBytes));

  test('one upload goes to two of them, in their order, with the caller’s token', async () => {
    const answer = await put();
    expect(answer).toMatchObject({ status: 200, text: `${block.locator}+Asigned` });
    expect(answer.headers.get('x-keep-replicas-stored')).toBe('2');
    expect(received()).toEqual([[3_000_000], [3_000_000], [], []]);
    expect(keepstores[0]!.seen[0]!.headers).toMatchObject({
      authorization: `Bearer ${TOKEN}`,
      'x-keep-desired-replicas': '2',
      'content-length': '3000000',
    });
  });

  test('as many copies as the client wants, with the classes it asks for', async () => {
    const answer = await put({ 'X-Keep-Desired-Replicas': '3', 'X-Keep-Storage-Classes': 'default' });
    expect(answer.headers.get('x-keep-replicas-stored')).toBe('3');
    expect(answer.headers.get('x-keep-storage-classes-confirmed')).toBe('default=3');
    expect(received().map(({ length }) => length)).toEqual([1, 1, 1, 0]);
    expect(keepstores[2]!.seen[0]!.headers['x-keep-storage-classes']).toBe('default');
  });

  test('for one that failed the next takes over, with the bytes of one that has them', async () => {
    keepstores[0]!.behave(answering(503));
    keepstores[1]!.behave((...exchange) =>
      (exchange[0].method === 'GET' ? serving(block.data) : storing())(...exchange),
    );
    const answer = await put();
    expect([answer.status, answer.headers.get('x-keep-replicas-stored')]).toEqual([200, '2']);
    expect(received()).toEqual([[0], [3_000_000], [3_000_000], []]);
    expect(keepstores[1]!.seen.map(({ method, path }) => [method, path])).toEqual([
      ['PUT', `/${block.hash}`],
      ['GET', `/${block.locator}+Asigned`],
    ]);
  });

  test('one that takes nothing is left behind, and does not take the upload with it', async () => {
    const large = randomBlock(40_000_000);
    // Which one that is depends on the hash: the first in probe order.
    let first: KeepServer | null = null;
    for (const keepstore of keepstores) {
      keepstore.behave((...exchange) => {
        first ??= keepstore;
        if (first === keepstore) return hanging(...exchange);
        return (exchange[0].method === 'GET' ? serving(large.data) : storing())(...exchange);
      });
    }
    const answer = await request(`${proxy.url}/${large.hash}`, { method: 'PUT', token: TOKEN, body: large.data });
    expect([answer.status, answer.headers.get('x-keep-replicas-stored')]).toEqual([200, '2']);
    expect(received().flat().sort()).toEqual([0, 40_000_000, 40_000_000]);
  });

  const failures: Record<string, Behaviour> = {
    'answers 507': answering(507),
    'answers 503': answering(503),
    'answers 507 at the end': async (_request, _response, body) => {
      await body();
      return { status: 507 };
    },
    'resets the connection': (request) => void request.socket.destroy(),
    'confirms another block': async (_request, _response, body) => {
      await body();
      return { status: 200, body: `${md5('other')}+5` };
    },
  };
  const oneCopy = { 'X-Keep-Desired-Replicas': '1' };

  test.each(
    Object.keys(failures).flatMap((how) => [100, 1_000_000, 3_000_000].map((size): [string, number] => [how, size])),
  )('the first %s: the next stores the one copy of a block of %i bytes', async (how, size) => {
    const other = randomBlock(size);
    let first: KeepServer | null = null;
    for (const keepstore of keepstores) {
      keepstore.behave((...exchange) => {
        first ??= keepstore;
        return (first === keepstore ? failures[how]! : storing())(...exchange);
      });
    }
    const answer = await request(`${proxy.url}/${other.hash}`, {
      method: 'PUT',
      token: TOKEN,
      body: other.data,
      headers: oneCopy,
    });
    expect(answer).toMatchObject({ status: 200, text: `${other.locator}+Asigned` });
    expect(answer.headers.get('x-keep-replicas-stored')).toBe('1');
  });

  test('the first takes nothing: its reserve stores the one copy', async () => {
    const large = randomBlock(40_000_000);
    let first: KeepServer | null = null;
    for (const keepstore of keepstores) {
      keepstore.behave((...exchange) => {
        first ??= keepstore;
        return (first === keepstore ? hanging : storing())(...exchange);
      });
    }
    const options = { method: 'PUT', token: TOKEN, body: large.data, headers: oneCopy };
    const answer = await request(`${proxy.url}/${large.hash}`, options);
    expect([answer.status, answer.headers.get('x-keep-replicas-stored')]).toEqual([200, '1']);
    expect(
      received()
        .flat()
        .filter((size) => size === 40_000_000),
    ).toHaveLength(1);
  });

  test('a client that leaves takes the reserve with it, and no copy is stored', async () => {
    const large = randomBlock(8_000_000);
    let ended = 0;
    for (const keepstore of keepstores) {
      keepstore.behave((...exchange) => {
        exchange[0].once('close', () => ended++);
        return storing()(...exchange);
      });
    }
    await brokenUpload(proxy.url, {
      method: 'PUT',
      path: `/${large.hash}`,
      headers: { ...bearer(TOKEN), 'x-keep-desired-replicas': '1' },
      contentLength: 8_000_000,
      sent: large.data.subarray(0, 4_000_000),
      until: () => expect.poll(() => received().flat().length, { timeout: 10_000 }).toBe(2),
    });
    await expect.poll(() => ended, { timeout: 10_000 }).toBe(2);
    expect(
      received()
        .flat()
        .every((size) => size < 8_000_000),
    ).toBe(true);
  });

  test('a small block is offered to one after another, until the last', async () => {
    const small = randomBlock(50_000);
    const asked: KeepServer[] = [];
    for (const keepstore of keepstores) {
      keepstore.behave((...exchange) => (asked.push(keepstore) < 4 ? answering(507) : storing())(...exchange));
    }
    const options = { method: 'PUT', token: TOKEN, body: small.data, headers: oneCopy };
    expect((await request(`${proxy.url}/${small.hash}`, options)).status).toBe(200);
    expect(new Set(asked).size).toBe(4);
  });

  test('a large block for one copy leaves one copy: the reserve never gets its last bytes', async () => {
    const large = randomBlock(10_000_000);
    const options = { method: 'PUT', token: TOKEN, body: large.data, headers: oneCopy };
    const answer = await request(`${proxy.url}/${large.hash}`, options);
    expect([answer.status, answer.headers.get('x-keep-replicas-stored')]).toEqual([200, '1']);
    const sizes = received().flat();
    expect(sizes.filter((size) => size === 10_000_000)).toHaveLength(1);
  });

  test('a large block that two services refused begins with others when it is sent again', async () => {
    const large = randomBlock(4_000_000);
    const refusing = new Set<KeepServer>();
    for (const keepstore of keepstores) {
      keepstore.behave((...exchange) => {
        if (refusing.size < 2) refusing.add(keepstore);
        return (refusing.has(keepstore) ? answering(507) : storing())(...exchange);
      });
    }
    const options = { method: 'PUT', token: TOKEN, body: large.data, headers: oneCopy };
    expect((await request(`${proxy.url}/${large.hash}`, options)).status).toBe(503);
    expect((await request(`${proxy.url}/${large.hash}`, options)).status).toBe(200);
  });

  test('a small body that is not the block is 502 without a keepstore being asked', async () => {
    const options = { method: 'PUT', token: TOKEN, body: Buffer.from('something else'), headers: oneCopy };
    const answer = await request(`${proxy.url}/${block.hash}`, options);
    expect([answer.status, answer.headers.get('x-keep-replicas-stored')]).toEqual([502, '0']);
    expect(received().flat()).toEqual([]);
  });

  test('too few copies are 503, and it says how many there are', async () => {
    for (const keepstore of keepstores.slice(1)) keepstore.behave(answering(507));
    keepstores[0]!.behave((...exchange) =>
      (exchange[0].method === 'GET' ? serving(block.data) : storing())(...exchange),
    );
    const answer = await put();
    expect([answer.status, answer.headers.get('x-keep-replicas-stored')]).toEqual([503, '1']);
    expect(answer.text).not.toContain('127.0.0.1');
  });

  test('a keepstore that is out of order makes a read 502, once all others have said no', async () => {
    for (const keepstore of keepstores) keepstore.behave(answering(404));
    keepstores[3]!.behave(answering(500));
    const locator = sign(block.locator, { token: TOKEN });
    expect((await request(`${proxy.url}/${locator}`, { token: TOKEN })).status).toBe(502);
    expect(keepstores.map(({ seen }) => seen.length)).toEqual([1, 1, 1, 3]);
  });

  test('the index is that of all keepstores with one end marker, and breaks off when one of them does', async () => {
    const lines = ['a+1 1\n', '', 'b+2 2\nc+3 3\n', 'd+4 4\n'];
    for (const [index, keepstore] of keepstores.entries()) {
      keepstore.behave(() => ({ status: 200, body: `${lines[index]}\n` }));
    }
    const answer = await request(`${proxy.url}/index/a0`, { token: TOKEN });
    expect([answer.status, answer.text.split('\n').sort().join(' ')]).toEqual([200, '  a+1 1 b+2 2 c+3 3 d+4 4']);
    expect(answer.text).toMatch(/[^\n]\n\n$/);
    expect(keepstores.map(({ seen }) => seen[0]?.path)).toEqual(Array(4).fill('/index/a0'));
    expect(keepstores[0]!.seen[0]!.headers.authorization).toBe(`Bearer ${TOKEN}`);
    for (const keepstore of keepstores) keepstore.behave(() => ({ status: 200, body: 'a+1 1\n' }));
    const broken = await rawRequest(proxy.url, { path: '/index', headers: { authorization: `Bearer ${TOKEN}` } });
    expect([broken.complete, broken.body.toString().includes('\n\n')]).toEqual([false, false]);
    for (const keepstore of keepstores) keepstore.behave(answering(403));
    expect((await request(`${proxy.url}/index`, { token: TOKEN })).status).toBe(502);
    expect((await request(`${proxy.url}/index`, { method: 'HEAD', token: TOKEN })).status).toBe(405);
  });

  test('+K@ hints to clusters are taken off, hints to services stay', async () => {
    const other = blockOf('somewhere');
    for (const keepstore of keepstores) keepstore.behave(serving(other.data));
    const locator = `${sign(other.locator, { token: TOKEN })}+K@xmany-bi6l4-zzzzzzzzzzzzzzz`;
    expect((await request(`${proxy.url}/${locator}+K@abcde`, { token: TOKEN })).text).toBe('somewhere');
    expect(keepstores.flatMap(({ seen }) => seen.map(({ path }) => path))).toEqual([`/${locator}`]);
  });

  test.each(['+Zx\\..\\..\\metrics', '+Zx%3Fapi_token=abc', '+Zx%23', '+Zx%2Fy', '+Z%5C..%5Cx', '+Zé'])(
    'a hint %s does not lead to another path of a keepstore',
    async (hint) => {
      const other = blockOf('elsewhere');
      for (const keepstore of keepstores) keepstore.behave(serving(other.data));
      const locator = sign(other.locator, { token: TOKEN });
      const answer = await rawRequest(proxy.url, {
        path: encodeURI(decodeURI(`/${locator}${hint}`))
          .replaceAll('%5C', '\\')
          .replaceAll('%25', '%'),
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      const paths = keepstores.flatMap(({ seen }) => seen.map(({ path }) => path));
      expect(answer.status).toBeOneOf([200, 400]);
      for (const path of paths) {
        expect(path).toMatch(/^\/[^/?#\\]+$/);
        expect(path).toContain(locator);
      }
    },
  );

  test('X-Keep-Signature: local reaches a keepstore, and its new locator comes back', async () => {
    const other = blockOf('of another cluster');
    const local = sign(other.locator, { token: TOKEN });
    const remote = local.replace('+A', '+Rzzzzz-');
    for (const keepstore of keepstores) {
      keepstore.behave(() => ({
        status: 200,
        headers: { 'X-Keep-Locator': local, 'Content-Length': String(other.data.length) },
        body: other.data,
      }));
    }
    for (const method of ['HEAD', 'GET']) {
      const headers = { 'X-Keep-Signature': 'local, time=2026-01-01T00:00:00Z' };
      const answer = await request(`${proxy.url}/${remote}`, { method, token: TOKEN, headers });
      expect([answer.status, answer.headers.get('x-keep-locator')]).toEqual([200, local]);
    }
  });
});
