import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createToken, createUser, type Json, type TestUser } from '../support/api.ts';
import { cliFor } from '../support/cli.ts';
import { operator, R2_GATEWAY } from '../support/gateways.ts';
import { blockOf, md5, request } from '../support/keep.ts';
import { type KeepServer, startKeepServer } from '../support/keep-server.ts';
import { rawRequest } from '../support/raw-http.ts';
import { type S3Request, s3Request } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';

/** The cluster is another of our services in embedded mode: it speaks the same API. */
let cluster: TestService;
let edge: TestService;
let user: TestUser;
/** A role of the cluster whose members may adopt what the gateway here reads. */
let adopters: string;
beforeAll(async () => {
  cluster = await startService({ vars: { TOKEN_CACHE_TTL: '0s' } });
  const EDGE_ROOT = 'anotherroottokenanotherroottokenanother';
  adopters = await createRole('adopters');
  const DriverParameters = { Binding: 'LAKE', Bucket: 'lake' };
  edge = await startService({
    r2: ['LAKE'],
    vars: {
      API_HOST: cluster.url,
      TOKEN_CACHE_TTL: '1s',
      SYSTEM_ROOT_TOKEN: EDGE_ROOT,
      GATEWAYS: { [R2_GATEWAY]: { Name: 'lake', Driver: 'R2', AdoptableBy: [adopters], DriverParameters } },
    },
  });
  user = await createUser(cluster, 'member');
});
afterAll(async () => {
  await edge.stop();
  await cluster.stop();
});

const createRole = async (name: string): Promise<string> =>
  (await api(cluster, 'groups', { body: { group: { name, group_class: 'role' } } })).json.uuid;
const permission = async (tail_uuid: string, head_uuid: string, name = 'can_write'): Promise<string> => {
  const link = { link_class: 'permission', name, tail_uuid, head_uuid };
  return (await api(cluster, 'links', { body: { link } })).json.uuid;
};

const put = (token: string, data = 'beside') => {
  const { hash, data: body } = blockOf(data);
  return request(`${edge.url}/${hash}`, { method: 'PUT', body, token });
};

describe('beside a cluster', () => {
  test('a block PUT needs a token that the cluster accepts, with scopes that reach it', async () => {
    expect((await put(user.token)).status).toBe(200);
    expect((await put('v2/xedge-gj3su-000000000000000/unknown')).status).toBe(401);
    const reader = await createToken(cluster, user.uuid, { scopes: ['GET /'] });
    expect((await put(reader)).status).toBe(403);
    const writer = await createToken(cluster, user.uuid, { scopes: ['PUT /'] });
    expect((await put(writer)).status, 'a token that may not even ask whose it is').toBe(200);
    expect((await put(edge.rootToken)).status, "the edge's own root token").toBe(200);
  });

  test('the id of a request goes on to the cluster, also where it is asked whose token it is', async () => {
    const token = await createToken(cluster, user.uuid);
    const headers = { 'X-Request-Id': 'req-from-far-away' };
    const { hash, data: body } = blockOf('with an id');
    expect((await request(`${edge.url}/${hash}`, { method: 'PUT', body, token, headers })).status).toBe(200);
    const line = await cluster.waitForLog(
      ({ RequestID, reqPath }) => RequestID === 'req-from-far-away' && String(reqPath).includes('users/current'),
    );
    expect(line.respStatusCode).toBe(200);
    await edge.waitForLog(({ RequestID, reqMethod }) => RequestID === 'req-from-far-away' && reqMethod === 'PUT');
  });

  test('revoking and deactivating at the cluster take effect here', async () => {
    const other = await createUser(cluster, 'other');
    const token = await createToken(cluster, other.uuid);
    expect((await put(token)).status).toBe(200);
    await api(cluster, `api_client_authorizations/${token.split('/')[1]}`, { method: 'DELETE' });
    expect((await put(other.token)).status).toBe(200);
    await api(cluster, `users/${other.uuid}`, { method: 'PUT', body: { user: { is_active: false } } });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect((await put(token)).status).toBe(401);
    expect((await put(other.token)).status).not.toBe(200);
  });

  test('API requests are passed on as they are, bodies and errors included', async () => {
    const made = await api(edge, 'collections', { token: user.token, body: { collection: { name: 'forwarded' } } });
    expect(made.status).toBe(200);
    expect((await api(cluster, `collections/${made.json.uuid}`)).json.name).toBe('forwarded');
    expect((await api(edge, 'collections/xedge-4zz18-000000000000000', { token: user.token })).status).toBe(404);
    expect((await api(edge, 'users/current', { token: 'bad' })).status).toBe(401);
    expect((await request(`${edge.url}/discovery/v1/apis/arvados/v1/rest`, { token: null })).text).toContain(
      cluster.url,
    );
  });

  describe('what is forwarded to the API server', () => {
    let apiServer: KeepServer;
    let forwarding: TestService;
    const secrets = { 'Set-Cookie': 'api=1', 'Proxy-Authenticate': 'Basic', 'Clear-Site-Data': '"*"', 'X-Kept': 'yes' };
    beforeAll(async () => {
      apiServer = await startKeepServer(() => ({ status: 200, headers: secrets, body: '{}' }));
      forwarding = await startService({ vars: { API_HOST: apiServer.url } });
    });
    afterAll(() => Promise.all([forwarding, apiServer].map((one) => one.stop())));

    test.each([
      'x\\..\\..\\metrics',
      'x\\..\\..\\..\\metrics',
      '..\\..\\metrics',
      'x%5c..%5c..%5cmetrics',
      'x\\%2e%2e\\%2E%2E\\metrics',
      'x\\.\\y',
      'x/..\\../metrics',
      'x%2f..%2f..%2fmetrics',
      'x\\.%09.\\..\\metrics',
    ])('a path that would leave the API is refused: %s', async (path) => {
      const seen = apiServer.seen.length;
      for (const base of ['arvados', 'discovery']) {
        expect((await rawRequest(forwarding.url, { path: `/${base}/v1/${path}` })).status).toBe(400);
      }
      expect(apiServer.seen.length).toBe(seen);
    });

    test('a backslash in a name stays one', async () => {
      await rawRequest(forwarding.url, { path: '/arvados/v1/a\\b?q=c\\d' });
      expect(apiServer.seen.at(-1)!.path).toBe('/arvados/v1/a%5Cb?q=c\\d');
    });

    test('the log of a download goes to the API server alone, whatever it redirects to', async () => {
      await using elsewhere = await startKeepServer(() => ({ status: 200, body: '{}' }));
      const uuid = 'zzzzz-4zz18-000000000000001';
      const manifest_text = '. d41d8cd98f00b204e9800998ecf8427e+0 0:0:file\n';
      const portable_data_hash = `${md5(manifest_text)}+${manifest_text.length}`;
      apiServer.behave(({ url = '' }) => {
        if (url.endsWith('/logs')) return { status: 307, headers: { Location: `${elsewhere.url}/logs` } };
        const record = { uuid, username: 'reader', scopes: ['all'], portable_data_hash, manifest_text };
        return { status: 200, body: JSON.stringify(record) };
      });
      try {
        expect((await request(`${forwarding.url}/c=${uuid}/file`, { token: user.token })).status).toBe(200);
        await expect.poll(() => apiServer.seen.map(({ path }) => path)).toContain('/arvados/v1/logs');
        await forwarding.allLogged();
        expect(elsewhere.connections).toBe(0);
      } finally {
        apiServer.behave(() => ({ status: 200, headers: secrets, body: '{}' }));
      }
    });

    test('credentials and headers of the connection stay here, the token goes on', async () => {
      const sent = {
        Authorization: `Bearer ${user.token}`,
        Cookie: 'arvados_api_token=x',
        'Proxy-Authorization': 'Basic c2VjcmV0',
        'Proxy-Connection': 'keep-alive',
        'CF-Access-Jwt-Assertion': 'jwt',
        Referer: 'https://edge/c=x/t=secret/',
        TE: 'trailers',
        'X-Kept': 'yes',
      };
      const answer = await rawRequest(forwarding.url, { path: '/arvados/v1/users/current', headers: sent });
      const arrived = apiServer.seen.at(-1)!.headers;
      expect([arrived.authorization, arrived['x-kept']]).toEqual([`Bearer ${user.token}`, 'yes']);
      for (const name of Object.keys(sent).slice(1, -1)) expect(arrived, name).not.toHaveProperty(name.toLowerCase());
      expect(answer.headers['x-kept']).toBe('yes');
      await rawRequest(forwarding.url, {
        path: '/arvados/v1/users/current',
        headers: { Authorization: `Basic ${Buffer.from(`u:${user.token}`).toString('base64')}` },
      });
      expect(apiServer.seen.at(-1)!.headers).not.toHaveProperty('authorization');
      for (const name of Object.keys(secrets).slice(0, -1)) {
        expect(answer.headers, name).not.toHaveProperty(name.toLowerCase());
      }
    });
  });

  test('files are read from the cluster’s collections with the blocks that are here, by those who may', async () => {
    const locator = (await put(user.token, 'file content')).text.trim();
    const collection = { manifest_text: `. ${locator} 0:12:f\n./d ${locator} 5:7:g\n` };
    const made = await api(cluster, 'collections', { token: user.token, body: { collection } });
    const file = (path: string, token = user.token) => request(`${edge.url}/c=${made.json.uuid}/${path}`, { token });
    expect((await file('f')).text).toBe('file content');
    expect((await file('d/g')).text).toBe('content');
    const stranger = await createUser(cluster, 'stranger');
    expect((await file('f', stranger.token)).status).toBe(404);
    const scopes = [`GET /arvados/v1/collections/${made.json.uuid}`, `GET /arvados/v1/collections/${made.json.uuid}/`];
    expect((await file('f', await createToken(cluster, user.uuid, { scopes }))).text).toBe('file content');
  });

  test('admins of the cluster and members of the role in AdoptableBy may adopt, as the cluster knows them now', async () => {
    await edge.r2('LAKE').put('run/x', new TextEncoder().encode('lies in the lake'));
    const [adopter, colleague] = [await createUser(cluster, 'adopter'), await createUser(cluster, 'colleague')];
    const begin = (token: string) =>
      operator(edge, 'adoptions', { method: 'POST', body: { source: 's3://lake/run' }, token });
    const refused = async (token: string) => {
      const answer = await begin(token);
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('you may not adopt')]);
      expect((await operator(edge, 'gateways', { token })).json).toEqual({ items: [] });
    };
    await permission(adopter.uuid, await createRole('others'));
    await refused(adopter.token);
    const membership = await permission(adopter.uuid, adopters);
    await using cli = await cliFor(cluster, 'unused');
    Object.assign(cli.env, { ARVADOS_API_HOST: edge.url, ARVADOS_API_TOKEN: adopter.token });
    const uuid = await cli.ok('adopt', 's3://lake/run', '--into', adopter.uuid);
    expect((await api(cluster, `collections/${uuid}`)).json.owner_uuid).toBe(adopter.uuid);
    const file = (token: string) => request(`${edge.url}/c=${uuid}/x`, { token });
    expect((await file(adopter.token)).text).toBe('lies in the lake');
    expect((await file(colleague.token)).status).toBe(404);
    await permission(colleague.uuid, uuid, 'can_read');
    expect((await file(colleague.token)).text).toBe('lies in the lake');
    await refused(colleague.token);
    await api(cluster, `links/${membership}`, { method: 'DELETE' });
    await refused(adopter.token);
    await api(cluster, `users/${colleague.uuid}`, { method: 'PUT', body: { user: { is_admin: true } } });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect((await begin(colleague.token)).status).toBe(200);
  });

  describe('writing by WebDAV', () => {
    const made = async (manifest_text = '') =>
      (await api(cluster, 'collections', { token: user.token, body: { collection: { manifest_text } } })).json.uuid;
    const dav = (method: string, path: string, options: Parameters<typeof request>[1] = {}) =>
      request(`${edge.url}/c=${path}`, { method, token: user.token, ...options });

    test('files and directories are made, moved, copied and deleted at the cluster, and seen here at once', async () => {
      const uuid = await made();
      expect((await dav('GET', `${uuid}/f`)).status).toBe(404);
      const stored = await dav('PUT', `${uuid}/f`, { body: 'first' });
      expect(stored.status).toBe(201);
      const read = await dav('GET', `${uuid}/f`);
      expect([read.text, read.headers.get('etag')]).toEqual(['first', stored.headers.get('etag')]);
      expect((await dav('PUT', `${uuid}/f`, { body: 'second' })).status).toBe(204);
      expect((await dav('GET', `${uuid}/f`)).text).toBe('second');
      expect((await dav('PUT', `${uuid}/no/f`, { body: 'x' })).status).toBe(409);
      expect((await dav('MKCOL', `${uuid}/d`)).status).toBe(201);
      expect((await dav('MKCOL', `${uuid}/d`)).status).toBe(405);
      expect((await dav('PUT', `${uuid}/d/empty`, { body: '' })).status).toBe(201);
      const to = (path: string) => ({ headers: { destination: `/c=${uuid}/${path}` } });
      expect((await dav('MOVE', `${uuid}/f`, to('d/g'))).status).toBe(201);
      expect((await dav('COPY', `${uuid}/d`, to('e'))).status).toBe(201);
      expect((await dav('GET', `${uuid}/e/g`)).text).toBe('second');
      expect((await dav('DELETE', `${uuid}/d`)).status).toBe(204);
      expect((await dav('DELETE', `${uuid}/d`)).status).toBe(404);
      const { json } = await api(cluster, `collections/${uuid}`);
      expect(json.manifest_text.replace(/\+A\S+/g, '')).toMatch(/^\.\/e \S+ (\S+ )?0:0:empty 0:6:g\n$/);
    });

    test('64 writers at once all survive, in few updates of the cluster’s collection', async () => {
      const uuid = await made();
      const names = Array.from({ length: 64 }, (_, i) => `file-${i}`);
      const statuses = await Promise.all(
        names.map(async (name) => (await dav('PUT', `${uuid}/${name}`, { body: name })).status),
      );
      expect(new Set(statuses)).toEqual(new Set([201]));
      const { json } = await api(cluster, `collections/${uuid}`);
      expect(json.file_count).toBe(64);
      expect(Number(json.etag)).toBeLessThan(40);
      expect((await dav('GET', `${uuid}/file-63`)).text).toBe('file-63');
    });

    test('conditions and locks hold among the writers here, API updates that pass through included', async () => {
      const uuid = await made();
      const { headers } = await dav('PUT', `${uuid}/f`, { body: '1' });
      const etag = headers.get('etag') ?? '';
      expect((await dav('PUT', `${uuid}/f`, { body: '2', headers: { 'if-none-match': '*' } })).status).toBe(412);
      expect((await dav('PUT', `${uuid}/f`, { body: '2', headers: { 'if-match': etag } })).status).toBe(204);
      expect((await dav('PUT', `${uuid}/f`, { body: '3', headers: { 'if-match': etag } })).status).toBe(412);
      const lockinfo =
        '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>';
      const locked = await dav('LOCK', `${uuid}/f`, { body: lockinfo });
      const token = locked.headers.get('lock-token') ?? '';
      expect(locked.status).toBe(200);
      expect((await dav('PUT', `${uuid}/f`, { body: '4' })).status).toBe(423);
      const change = { method: 'PATCH', token: user.token, body: { replace_files: { '/f': '' } } };
      expect((await api(edge, `collections/${uuid}`, change)).status).toBe(423);
      expect((await dav('PUT', `${uuid}/f`, { body: '4', headers: { if: `(${token})` } })).status).toBe(204);
      expect((await dav('UNLOCK', `${uuid}/f`, { headers: { 'lock-token': token } })).status).toBe(204);
      expect((await dav('GET', `${uuid}/f`)).status).toBe(200);
      expect((await api(edge, `collections/${uuid}`, change)).status).toBe(200);
      expect((await dav('GET', `${uuid}/f`)).status, 'seen although it was read a moment ago').toBe(404);
    });

    test('must_be_new holds among the writers here, which the cluster does not know', async () => {
      const uuid = await made();
      for (const name of ['a', 'b']) await dav('PUT', `${uuid}/${name}`, { body: name });
      const change = (replace_files: Json, more: Json = {}) =>
        api(edge, `collections/${uuid}`, {
          method: 'PATCH',
          token: user.token,
          query: { must_be_new: true },
          body: { collection: {}, replace_files, ...more },
        });
      expect((await change({ '/b': 'current/a', '/a': '' })).status).toBe(412);
      expect((await change({ '/c': 'current/a' }, { collection: { name: 'ignored' } })).status).toBe(400);
      const answers = await Promise.all(
        ['a', 'b'].map((name) => change({ '/same': `current/${name}`, [`/${name}`]: '' })),
      );
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 412]);
      const { json } = await api(cluster, `collections/${uuid}`);
      expect(json.file_count).toBe(2);
      const hash = answers.find(({ status }) => status === 200)?.json.portable_data_hash;
      expect(json.portable_data_hash).toBe(hash);
      expect((await dav('GET', `${uuid}/same`)).text).toBe(answers[0]?.status === 200 ? 'a' : 'b');
    });

    test('the cluster says who may write: a reader gets 403, a stranger 404, and nothing changes', async () => {
      const uuid = await made();
      const [reader, stranger] = [await createUser(cluster, 'reads-only'), await createUser(cluster, 'no-one')];
      await api(cluster, 'links', {
        body: { link: { link_class: 'permission', name: 'can_read', tail_uuid: reader.uuid, head_uuid: uuid } },
      });
      for (const [token, status] of [
        [reader.token, 403],
        [stranger.token, 404],
      ] as const) {
        expect((await dav('PUT', `${uuid}/f`, { body: 'x', token })).status).toBe(status);
        expect((await dav('MKCOL', `${uuid}/d`, { token })).status).toBe(status);
      }
      expect((await api(cluster, `collections/${uuid}`)).json.file_count).toBe(0);
    });

    test('a large body of unknown length becomes blocks; properties are refused with a reason', async () => {
      const uuid = await made();
      const body = new Uint8Array(9_000_000).fill(7);
      const stream = new ReadableStream({
        start(controller) {
          for (let i = 0; i < 9; i++) controller.enqueue(body.subarray(i * 1_000_000, (i + 1) * 1_000_000));
          controller.close();
        },
      });
      const answer = await fetch(`${edge.url}/c=${uuid}/large`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${user.token}` },
        body: stream,
        duplex: 'half',
      } as RequestInit);
      expect(answer.status).toBe(201);
      expect(Buffer.compare((await dav('GET', `${uuid}/large`)).body, body)).toBe(0);
      const set =
        '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><k xmlns="x:">v</k></D:prop></D:set></D:propertyupdate>';
      expect((await dav('PROPPATCH', `${uuid}/large`, { body: set })).text).toContain('507');
    });

    test('collections are made, renamed and trashed in their project', async () => {
      const group = { name: 'project', group_class: 'project' };
      const project = (await api(cluster, 'groups', { token: user.token, body: { group } })).json.uuid;
      expect((await dav('MKCOL', `${project}/new`)).status).toBe(201);
      expect((await dav('PUT', `${project}/new/f`, { body: 'x' })).status).toBe(201);
      const headers = { destination: `/c=${project}/renamed` };
      expect((await dav('MOVE', `${project}/new`, { headers })).status).toBe(201);
      expect((await dav('GET', `${project}/renamed/f`)).text).toBe('x');
      expect((await dav('DELETE', `${project}/renamed`)).status).toBe(204);
      expect((await dav('GET', `${project}/renamed/f`)).status).toBe(404);
    });
  });

  describe('by S3', () => {
    const keys = () => {
      const whole = user.token.replaceAll('/', '_');
      return { accessKeyId: whole, secretAccessKey: whole };
    };
    const s3 = (path: string, options: S3Request = {}) => s3Request(edge, path, { keys: keys(), ...options });
    const put = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
      s3(path, { method: 'PUT', body, headers });
    const tag = (xml: string, name: string) => new RegExp(`<${name}>(.*?)</${name}>`).exec(xml)?.[1] ?? '';
    const keysIn = async (path: string) =>
      [...(await s3(path)).text.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key);

    test('a bucket is made in the home at the cluster, listed, filled, read and emptied', async () => {
      expect((await s3('/lab-results', { method: 'PUT' })).status).toBe(200);
      expect((await s3('/')).text).toContain('<Name>lab-results</Name>');
      const stored = await put('/lab-results/a/b.txt', 'content', { 'content-md5': 'mgNkuembtIDdJeHwKEyFVQ==' });
      expect([stored.status, stored.headers.get('etag')]).toEqual([200, '"9a0364b9e99bb480dd25e1f0284c8555"']);
      const [got, head] = [await s3('/lab-results/a/b.txt'), await s3('/lab-results/a/b.txt', { method: 'HEAD' })];
      expect([got.text, got.headers.get('etag'), head.headers.get('content-length')]).toEqual([
        'content',
        stored.headers.get('etag'),
        '7',
      ]);
      const part = await s3('/lab-results/a/b.txt', { headers: { range: 'bytes=3-5' } });
      expect([part.status, part.text]).toEqual([206, 'ten']);
      await put('/lab-results/a-c', 'x');
      expect(await keysIn('/lab-results?list-type=2')).toEqual(['a-c', 'a/b.txt']);
      expect(tag((await s3('/lab-results?list-type=2&delimiter=/&prefix=')).text, 'CommonPrefixes')).toContain('a/');
      const copy = { 'x-amz-copy-source': 'lab-results/a/b.txt' };
      expect((await s3('/lab-results/copied', { method: 'PUT', headers: copy })).status).toBe(200);
      expect((await s3('/lab-results/copied')).text).toBe('content');
      expect((await put('/lab-results/copied', 'other', { 'if-none-match': '*' })).code).toBe('PreconditionFailed');
      expect((await put('/lab-results/copied', 'other', { 'content-md5': 'mgNkuembtIDdJeHwKEyFVQ==' })).code).toBe(
        'BadDigest',
      );
      expect((await s3('/lab-results/copied')).text).toBe('content');
      const gone = ['a/b.txt', 'a-c', 'copied', 'never'].map((key) => `<Object><Key>${key}</Key></Object>`).join('');
      const deleted = await s3('/lab-results?delete', { method: 'POST', body: `<Delete>${gone}</Delete>` });
      expect(deleted.text.match(/<Deleted>/g)).toHaveLength(4);
      expect((await s3('/lab-results/copied')).code).toBe('NoSuchKey');
      expect((await put('/lab-results/made/', '')).status).toBe(200);
      expect(await keysIn('/lab-results')).toEqual(['made/']);
      expect((await s3('/lab-results/made/', { method: 'DELETE' })).status).toBe(204);
      expect(await keysIn('/lab-results')).toEqual([]);
      expect((await s3('/lab-results', { method: 'DELETE' })).status).toBe(204);
      expect((await s3('/lab-results?list-type=2')).code).toBe('NoSuchBucket');
    });

    test('an upload in parts becomes one file of the cluster’s collection, may be completed again, and survives a restart', async () => {
      await s3('/parts', { method: 'PUT' });
      await put('/parts/whole', 'old');
      const id = tag((await s3('/parts/whole?uploads', { method: 'POST' })).text, 'UploadId');
      const at = `/parts/whole?uploadId=${id}`;
      const data = [3_000_000, 1, 70_000].map((size) => new Uint8Array(size).fill(size % 251));
      const etags = new Map<number, string>();
      await Promise.all(
        [3, 1, 2].map(async (number) => {
          const answer = await put(`${at}&partNumber=${number}`, data[number - 1] ?? '');
          expect(answer.status).toBe(200);
          etags.set(number, answer.headers.get('etag') ?? '');
        }),
      );
      expect((await s3(at)).text.match(/<Part>/g)).toHaveLength(3);
      expect((await s3('/parts?uploads')).text).toContain(id);
      expect((await s3('/parts/whole')).text).toBe('old');
      await edge.restart();
      const parts = (numbers: number[]) =>
        numbers.map((n) => `<Part><PartNumber>${n}</PartNumber><ETag>${etags.get(n)}</ETag></Part>`).join('');
      const complete = (numbers: number[]) =>
        s3(at, { method: 'POST', body: `<CompleteMultipartUpload>${parts(numbers)}</CompleteMultipartUpload>` });
      const done = await complete([1, 2, 3]);
      expect(done.status).toBe(200);
      expect(tag((await complete([1, 2, 3])).text, 'ETag')).toBe(tag(done.text, 'ETag'));
      expect((await complete([1, 2])).code).toBe('NoSuchUpload');
      const got = await s3('/parts/whole');
      expect(Buffer.compare(got.body, Buffer.concat(data))).toBe(0);
      expect(tag(done.text, 'ETag').replaceAll('&#34;', '"')).toBe(got.headers.get('etag'));
      expect((await s3('/parts?uploads')).text).not.toContain(id);
      expect((await put(`${at}&partNumber=4`, 'late')).code).toBe('NoSuchUpload');

      const copied = tag((await s3('/parts/copied?uploads', { method: 'POST' })).text, 'UploadId');
      const source = { 'x-amz-copy-source': 'parts/whole', 'x-amz-copy-source-range': 'bytes=2999999-3000001' };
      const one = await s3(`/parts/copied?uploadId=${copied}&partNumber=1`, { method: 'PUT', headers: source });
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${tag(one.text, 'ETag').replaceAll('&#34;', '')}</ETag></Part></CompleteMultipartUpload>`;
      expect((await s3(`/parts/copied?uploadId=${copied}`, { method: 'POST', body })).status).toBe(200);
      expect([...(await s3('/parts/copied')).body]).toEqual([3_000_000 % 251, 1, 70_000 % 251]);

      const aborted = tag((await s3('/parts/whole?uploads', { method: 'POST' })).text, 'UploadId');
      await put(`/parts/whole?uploadId=${aborted}&partNumber=1`, 'x');
      expect((await s3(`/parts/whole?uploadId=${aborted}`, { method: 'DELETE' })).status).toBe(204);
      expect((await s3(`/parts/whole?uploadId=${aborted}`)).code).toBe('NoSuchUpload');
      expect((await s3('/parts/whole', { method: 'HEAD' })).headers.get('etag')).toBe(got.headers.get('etag'));
    });

    test('an upload belongs to who began it, and who may not write at the cluster completes none', async () => {
      const made = await api(cluster, 'collections', { token: user.token, body: { collection: { name: 'guarded' } } });
      const uuid = made.json.uuid;
      const id = tag((await s3(`/${uuid}/x?uploads`, { method: 'POST' })).text, 'UploadId');
      const reader = await createUser(cluster, 'reads-s3');
      await api(cluster, 'links', {
        body: { link: { link_class: 'permission', name: 'can_read', tail_uuid: reader.uuid, head_uuid: uuid } },
      });
      const whole = reader.token.replaceAll('/', '_');
      const as = { keys: { accessKeyId: whole, secretAccessKey: whole } };
      const codes = [
        await s3(`/${uuid}/x?uploadId=${id}&partNumber=1`, { method: 'PUT', body: 'x', ...as }),
        await s3(`/${uuid}/x?uploadId=${id}`, as),
        await s3(`/${uuid}/x?uploadId=${id}`, { method: 'DELETE', ...as }),
      ].map(({ code }) => code);
      expect(codes).toEqual(['AccessDenied', 'AccessDenied', 'AccessDenied']);
      expect((await s3(`/${uuid}/x?uploadId=${id}`)).status).toBe(200);
      const own = tag((await s3(`/${uuid}/x?uploads`, { method: 'POST', ...as })).text, 'UploadId');
      const { headers } = await s3(`/${uuid}/x?uploadId=${own}&partNumber=1`, { method: 'PUT', body: 'x', ...as });
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${headers.get('etag')}</ETag></Part></CompleteMultipartUpload>`;
      expect((await s3(`/${uuid}/x?uploadId=${own}`, { method: 'POST', body, ...as })).code).toBe('AccessDenied');
      expect((await api(cluster, `collections/${uuid}`)).json.file_count).toBe(0);
      // The answer for an upload that is complete is its owner's as well.
      await s3(`/${uuid}/x?uploadId=${id}&partNumber=1`, { method: 'PUT', body: 'x' });
      expect((await s3(`/${uuid}/x?uploadId=${id}`, { method: 'POST', body })).status).toBe(200);
      expect((await s3(`/${uuid}/x?uploadId=${id}`, { method: 'POST', body, ...as })).code).toBe('AccessDenied');
    });
  });

  test('the upload log is kept and told here, to the cluster’s admins', async () => {
    const admin = await createUser(cluster, 'cluster-admin', { is_admin: true });
    expect((await put(user.token, 'logged here')).status).toBe(200);
    const query = { filters: [['hash', '=', blockOf('logged here').hash]] };
    const found = await api(edge, 'upload_log', { token: admin.token, query });
    expect(found.json.items).toMatchObject([{ user_uuid: user.uuid, size: 11 }]);
    expect((await api(edge, 'upload_log', { token: user.token })).status).toBe(403);
    expect((await api(cluster, 'upload_log', { query })).json.items).toEqual([]);
  });

  test('API requests are refused, when so configured', async () => {
    await using closed = await startService({ vars: { API_HOST: cluster.url, API_FORWARD: false } });
    const answer = await api(closed, 'users/current', { token: user.token });
    expect(answer.status).toBe(404);
    expect(answer.json.errors[0]).toContain(cluster.url);
  });

  test('when the cluster cannot be asked, no token is accepted but those it accepted just now', async () => {
    const fresh = await createToken(cluster, user.uuid);
    expect((await put(user.token)).status).toBe(200);
    const { url } = cluster;
    await cluster.stop();
    expect((await put(fresh)).status).toBe(502);
    cluster = await startService({ port: Number(new URL(url).port) });
  });
});
