import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createToken, createUser, type TestUser } from '../support/api.ts';
import { blockOf, request } from '../support/keep.ts';
import { type KeepServer, startKeepServer } from '../support/keep-server.ts';
import { rawRequest } from '../support/raw-http.ts';
import { startService, type TestService } from '../support/service.ts';

/** The cluster is another of our services in embedded mode: it speaks the same API. */
let cluster: TestService;
let edge: TestService;
let user: TestUser;
beforeAll(async () => {
  cluster = await startService({ vars: { TOKEN_CACHE_TTL: '0s' } });
  const EDGE_ROOT = 'anotherroottokenanotherroottokenanother';
  edge = await startService({ vars: { API_HOST: cluster.url, TOKEN_CACHE_TTL: '1s', SYSTEM_ROOT_TOKEN: EDGE_ROOT } });
  user = await createUser(cluster, 'member');
});
afterAll(async () => {
  await edge.stop();
  await cluster.stop();
});

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
