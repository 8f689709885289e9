import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiOptions, api, createToken, createUser, type Json, type TestUser } from '../support/api.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { bearer, blockOf, request } from '../support/keep.ts';
import { rawRequest } from '../support/raw-http.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

/** Tokens, scopes and records that a client should not get away with. */
const FOO = blockOf('foo');
let service: TestService;
let user: TestUser;
let other: TestUser;
let users = 0;

beforeAll(async () => {
  service = await startService({ vars: { TOKEN_CACHE_TTL: '1h', WEBDAV_CACHE_TTL: '1h' } });
  user = await createUser(service, 'owner');
  other = await createUser(service, 'other');
  await stored(service, FOO);
});
afterAll(() => service.stop());

const call = (path: string, options: ApiOptions = {}) => api(service, path, { token: user.token, ...options });
const basic = (token: string) => `Basic ${Buffer.from(`user:${token}`).toString('base64')}`;
const owned = (name: string, attributes: Json = {}) =>
  createCollection(service, `. ${FOO.locator} 0:3:${name}\n`, { owner_uuid: user.uuid, ...attributes });

describe('scopes', () => {
  let source: TestCollection;
  let target: TestCollection;
  beforeAll(async () => {
    source = await owned('secret');
    target = await owned('target');
  });
  const copy = async (scopes: string[], from: string, body: Json = {}) => {
    const token = await createToken(service, user.uuid, { scopes });
    const replace_files = { '/copy': from };
    return [
      (await call(`collections/${target.uuid}`, { method: 'PATCH', token, body: { replace_files, ...body } })).status,
      (await call('collections', { token, body: { replace_files, collection: {} } })).status,
    ];
  };
  const WRITE = ['PATCH /arvados/v1/collections/', 'POST /arvados/v1/collections'];

  test('hold for every source of replace_files: each is a read', async () => {
    const from = `${source.portable_data_hash}/secret`;
    expect(await copy(WRITE, from)).toEqual([403, 403]);
    expect(await copy([...WRITE, `GET /arvados/v1/collections/${target.uuid}`], from)).toEqual([403, 403]);
    expect(await copy([...WRITE, `GET /arvados/v1/collections/${source.portable_data_hash}`], from)).toEqual([
      200, 200,
    ]);
    expect(await copy(['all'], from)).toEqual([200, 200]);
  });

  test('hold for the collection’s own content as a source', async () => {
    expect((await copy(WRITE, 'current/target'))[0]).toBe(403);
    expect((await copy([...WRITE, `GET /arvados/v1/collections/${target.uuid}`], 'current/target'))[0]).toBe(200);
    expect((await copy(WRITE, ''))[0], 'a deletion reads nothing').toBe(200);
  });

  const MAKE_UPLOADER = 'POST /arvados/v1/uploader_accounts';
  const uploader = (token: string) =>
    call('uploader_accounts', { token, body: { uploader_account: { name: 'sequencer' } } });

  test('of a new uploader account are those of the token that makes it, or fewer', async () => {
    expect((await uploader(await createToken(service, user.uuid, { scopes: [MAKE_UPLOADER] }))).status).toBe(403);
    const some = [MAKE_UPLOADER, 'PUT /', 'GET /arvados/v1/collections/'];
    expect((await uploader(await createToken(service, user.uuid, { scopes: some }))).status).toBe(403);
    const enough = [MAKE_UPLOADER, 'PUT /', 'GET /', 'POST /arvados/v1/collections', 'PATCH /arvados/v1/'];
    expect((await uploader(await createToken(service, user.uuid, { scopes: enough }))).status).toBe(200);
    const before = await api(service, 'users', { query: { filters: [['is_uploader', '=', true]] } });
    expect(before.json.items_available, 'a refused one leaves no account').toBe(1);
  });

  test('of an uploader’s or any other token are not widened, nor its life prolonged, by a token with fewer', async () => {
    const made = (await uploader(user.token)).json.api_token.split('/')[1];
    const wide = (await createToken(service, user.uuid, { expires_at: '2099-01-01' })).split('/')[1];
    const scopes = ['PATCH /arvados/v1/api_client_authorizations/', 'GET /arvados/v1/collections/'];
    const token = await createToken(service, user.uuid, { scopes });
    const update = async (uuid: string | undefined, api_client_authorization: Json) =>
      (await call(`api_client_authorizations/${uuid}`, { method: 'PATCH', token, body: { api_client_authorization } }))
        .status;
    expect(await update(made, { scopes: ['all'] })).toBe(403);
    expect(await update(made, { scopes: ['GET /'] })).toBe(403);
    expect(await update(wide, { expires_at: null })).toBe(403);
    expect(await update(wide, { expires_at: '2199-01-01' })).toBe(403);
    expect(await update(made, { scopes: ['GET /arvados/v1/collections/x'] })).toBe(200);
  });
});

describe('HTTP Basic, which a browser sends by itself', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  test.each([
    ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['a hidden origin', { origin: 'null' }],
    ['an uploaded page of this origin', { 'sec-fetch-site': 'same-origin' }],
  ])('does nothing at the API for a form of %s', async (_, headers) => {
    const { uuid } = await owned('victim');
    for (const [method, path, body] of [
      ['POST', `/arvados/v1/collections/${uuid}?_method=DELETE`, ''],
      ['POST', `/arvados/v1/collections/${uuid}`, '_method=DELETE'],
      ['POST', '/arvados/v1/collections', 'collection={"name":"forged"}'],
      ['DELETE', `/arvados/v1/collections/${uuid}`, ''],
    ] as const) {
      const sent = { ...form, ...headers, authorization: basic(user.token) };
      const answer = await rawRequest(service.url, { method, path, headers: sent, body: Buffer.from(body) });
      expect(answer.status, `${method} ${path}`).toBe(401);
    }
    expect((await call(`collections/${uuid}`)).status).toBe(200);
  });

  test('writes no block for another site, and does for a client that is no browser', async () => {
    const put = (headers: Record<string, string>) =>
      rawRequest(service.url, {
        method: 'PUT',
        path: `/${FOO.hash}`,
        headers: { ...headers, authorization: basic(user.token) },
        body: FOO.data,
      });
    expect((await put({ origin: 'https://evil.example' })).status).toBe(401);
    expect((await put({ 'sec-fetch-site': 'same-site' })).status).toBe(401);
    expect((await put({})).status).toBe(200);
  });
});

describe('a request with many tokens', () => {
  const fields = (count: number, token = 'x') => Array.from({ length: count }, () => `api_token=${token}`).join('&');

  test.each([9, 20_000, 250_000])('is 400: %i in a form', async (count) => {
    const { uuid } = await owned('many');
    for (const path of [`/c=${uuid}/many`, `/collections/${uuid}/many`, '/by_id/']) {
      const answer = await rawRequest(service.url, {
        method: 'POST',
        path,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: Buffer.from(fields(count)),
      });
      expect(answer.status, path).toBe(400);
    }
  });

  test.each([
    ['/arvados/v1/users/current', 401],
    ['/by_id/', 303],
    ['/metrics', 403],
  ])('is 400, with more than a handful in the query of %s', async (path, otherwise) => {
    expect((await rawRequest(service.url, { path: `${path}?${fields(9)}` })).status).toBe(400);
    expect((await rawRequest(service.url, { path: `${path}?${fields(3)}` })).status).toBe(otherwise);
  });
});

test('a deactivated user is refused at once where that was asked, cached answers and listings included', async () => {
  const ann = await createUser(service, `ann${users++}`);
  const made = await createCollection(service, `. ${FOO.locator} 0:3:f\n`, { owner_uuid: ann.uuid });
  const paths = [`/c=${made.uuid}/f`, `/c=${made.portable_data_hash}/f`, `/c=${made.uuid}/`, '/by_id/', '/users/', '/'];
  const get = (path: string) => request(`${service.url}${path}`, { token: ann.token, headers: { accept: '*/*' } });
  for (const path of paths) expect((await get(path)).status, path).toBe(200);
  await api(service, `users/${ann.uuid}`, { method: 'PATCH', body: { user: { is_active: false } } });
  for (const path of paths) expect([401, 403, 404], path).toContain((await get(path)).status);
  expect((await api(service, 'users/current', { token: ann.token })).status).toBe(403);
  await api(service, `users/${ann.uuid}`, { method: 'PATCH', body: { user: { is_active: true } } });
  for (const path of paths) expect((await get(path)).status, path).toBe(200);
  await api(service, `api_client_authorizations/${ann.token.split('/')[1]}`, { method: 'DELETE' });
  for (const path of paths) expect((await get(path)).status, `${path} with a revoked token`).toBe(401);
});

describe('numbers', () => {
  const send = (path: string, body: string) => call(path, { body });

  test.each([
    ['replication_desired', '9007199254740993'],
    ['replication_desired', '1e300'],
    ['replication_desired', '1e999'],
    ['properties', '{"n": 9007199254740993}'],
    ['properties', '{"n": [1e999]}'],
  ])('that are not kept exactly are refused: %s %s', async (name, value) => {
    expect((await send('collections', `{"collection": {"${name}": ${value}}}`)).status).toBe(422);
    expect((await send('collections', `{"${name}": ${value}}`)).status).toBe(422);
    const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const body = `collection=${encodeURIComponent(`{"${name}": ${value}}`)}`;
    expect((await call('collections', { ...form, body })).status, 'in a form').toBe(422);
  });

  test.each(['[["file_size_total",">",9007199254740993]]', '[["properties.n","=",1e999]]', '[["version","=",1e300]]'])(
    'in filters as well: %s',
    async (filters) => {
      expect((await call('collections', { query: { filters } })).status).toBe(422);
    },
  );

  test.each([`limit=${2 ** 60}`, 'limit=1e3', 'offset=9007199254740993', 'offset=x'])(
    'that are no counts: %s',
    async (query) => {
      const headers = bearer(user.token);
      for (const path of ['collections', 'groups', 'groups/contents', 'logs', 'users', 'keep_services']) {
        const answer = await rawRequest(service.url, { path: `/arvados/v1/${path}?${query}`, headers });
        expect(answer.status, path).toBeLessThan(500);
      }
    },
  );

  test('files that are together more than 2^53 bytes are refused', async () => {
    const [block, gib] = [`${FOO.hash}+67108864`, 2 ** 40];
    const line = `. ${Array.from({ length: gib / 2 ** 26 }, () => block).join(' ')}`;
    const files = Array.from({ length: 2 ** 13 }, (_, i) => ` 0:${gib}:${i}`).join('');
    const body = { collection: { manifest_text: `${line}${files} 0:1:last\n` } };
    expect((await api(service, 'collections', { body })).status).toBe(422);
  });
});

describe('property names that every object has', () => {
  const text = '{"constructor":"a","__proto__":{"x":1},"toString":[],"prototype":null,"hasOwnProperty":"b"}';

  test('survive in collections and projects, and can be searched', async () => {
    for (const [path, name] of [
      ['collections', 'collection'],
      ['groups', 'group'],
    ] as const) {
      const extra = name === 'group' ? '"group_class":"project",' : '';
      const made = await call(path, { body: `{"${name}":{${extra}"name":"odd","properties":${text}}}` });
      expect(made.status, JSON.stringify(made.json)).toBe(200);
      const raw = await rawRequest(service.url, {
        path: `/arvados/v1/${path}/${made.json.uuid}`,
        headers: bearer(user.token),
      });
      expect(JSON.stringify(JSON.parse(String(raw.body)).properties)).toBe(text);
      for (const filter of ['properties.constructor', 'properties.__proto__', 'properties.hasOwnProperty']) {
        const found = await call(path, { query: { filters: [[filter, 'exists', true]] } });
        expect(
          found.json.items.map((item: Json) => item.uuid),
          filter,
        ).toEqual([made.json.uuid]);
      }
    }
  });

  test('survive in preferences and logs', async () => {
    await call(`users/${user.uuid}`, { method: 'PATCH', body: `{"user":{"prefs":${text}}}` });
    expect(JSON.stringify((await call('users/current')).json.prefs)).toBe(text);
    const log = await call('logs', { body: `{"log":{"event_type":"x","properties":${text}}}` });
    expect(JSON.stringify(log.json.properties)).toBe(text);
  });

  test('are no parameters: they change nothing of a request', async () => {
    const odd = await call('collections', { query: { __proto__: { limit: 0 }, constructor: { limit: 0 } } });
    expect(odd.status).toBe(200);
    const headers = bearer(user.token);
    const path = '/arvados/v1/collections?__proto__=%7B%22limit%22:0%7D';
    expect(JSON.parse(String((await rawRequest(service.url, { path, headers })).body)).limit).toBe(100);
  });
});

test('an owner that exists but is another’s answers like one that does not exist', async () => {
  const project = await api(service, 'groups', {
    token: other.token,
    body: { group: { group_class: 'project', name: 'theirs' } },
  });
  const uploader = (await call('uploader_accounts', { token: other.token, body: { uploader_account: {} } })).json;
  const mine = await owned('mine');
  const myProject = (await call('groups', { body: { group: { group_class: 'project', name: 'mine' } } })).json;
  const ask = async (owner_uuid: string) => {
    const answers = [
      await call('collections', { body: { collection: { owner_uuid } } }),
      await call(`collections/${mine.uuid}`, { method: 'PATCH', body: { collection: { owner_uuid } } }),
      await call('groups', { body: { group: { group_class: 'project', owner_uuid } } }),
      await call(`groups/${myProject.uuid}`, { method: 'PATCH', body: { group: { owner_uuid } } }),
      await call('api_client_authorizations', { body: { api_client_authorization: { owner_uuid } } }),
      await call('uploader_accounts', { body: { uploader_account: { owner_uuid } } }),
      await call('groups/contents', { query: { uuid: owner_uuid } }),
    ];
    return answers.map(({ status, json }) => [status, json.items ?? json.errors[0].replace(/ \(req-.*/, '')]);
  };
  const missing = { user: 'xedge-tpzed-zzzzzzzzzzzzzzz', group: 'xedge-j7d0g-zzzzzzzzzzzzzzz' };
  expect(await ask(other.uuid)).toEqual(await ask(missing.user));
  expect(await ask(uploader.uuid)).toEqual(await ask(missing.user));
  expect(await ask(project.json.uuid)).toEqual(await ask(missing.group));
});

describe('attributes that do not exist', () => {
  test.each([
    ['users', 'user', { user_name: 'x' }],
    ['collections', 'collection', { manifest: '' }],
    ['collections', 'collection', { constructor: 1 }],
    ['groups', 'group', { group_class: 'project', title: 'x' }],
    ['api_client_authorizations', 'api_client_authorization', { scope: ['all'] }],
    ['api_client_authorizations', 'api_client_authorization', { expires: '2030-01-01' }],
    ['links', 'link', { head: 'x' }],
    ['logs', 'log', { event: 'x' }],
    ['uploader_accounts', 'uploader_account', { owner: 'x' }],
    ['keep_services', 'keep_service', { service_hosts: 'x' }],
  ])('are refused, not ignored: %s %s %j', async (path, name, attributes) => {
    for (const body of [{ [name]: attributes }, attributes, { [name]: {}, ...attributes }]) {
      const answer = await api(service, path, { body });
      expect(answer.status, JSON.stringify(body)).toBe(422);
      expect(answer.json.errors[0]).toMatch(/is not an attribute|is not a parameter/);
    }
  });

  test('are refused in updates and forms, before anything is changed', async () => {
    const { uuid } = await owned('kept', { name: 'kept' });
    const body = { collection: { name: 'changed', colour: 'red' } };
    expect((await call(`collections/${uuid}`, { method: 'PATCH', body })).status).toBe(422);
    expect((await call(`users/${user.uuid}`, { method: 'PATCH', body: { user: { firstname: 'x' } } })).status).toBe(
      422,
    );
    const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    expect((await call('collections', { ...form, body: 'name=beside' })).status).toBe(422);
    expect((await call('collections', { ...form, body: 'collection={"colour":"red"}' })).status).toBe(422);
    expect((await call(`collections/${uuid}`)).json.name).toBe('kept');
  });

  test('are those of no record: what a client read may be sent back', async () => {
    const { uuid } = await owned('again');
    const read = (await call(`collections/${uuid}`)).json;
    expect((await call(`collections/${uuid}`, { method: 'PUT', body: { collection: read } })).status).toBe(200);
    const me = (await call('users/current')).json;
    for (const name of ['username', 'email', 'is_admin', 'is_active']) delete me[name];
    expect((await call(`users/${user.uuid}`, { method: 'PUT', body: { user: me } })).status).toBe(200);
  });
});

describe('texts that are too long', () => {
  const long = 'x'.repeat(300_000);
  test.each([
    ['collections', 'collection', { properties: { long } }],
    ['collections', 'collection', { description: long }],
    ['collections', 'collection', { name: long }],
    ['collections', 'collection', { storage_classes_desired: [long] }],
    ['collections', 'collection', { storage_classes_desired: Array(1000).fill('default') }],
    ['groups', 'group', { group_class: 'project', properties: { long } }],
    ['users', 'user', { username: 'long', prefs: { long } }],
    ['users', 'user', { username: 'long', first_name: long }],
    ['logs', 'log', { summary: long }],
    ['logs', 'log', { properties: { long } }],
    ['logs', 'log', { event_type: long }],
    ['logs', 'log', { object_uuid: long }],
    ['api_client_authorizations', 'api_client_authorization', { scopes: [`GET /${long}`] }],
    ['api_client_authorizations', 'api_client_authorization', { scopes: Array(1000).fill('GET /x') }],
  ])('are refused: %s %s', async (path, name, attributes) => {
    expect((await api(service, path, { body: { [name]: attributes }, token: ROOT_TOKEN })).status).toBe(422);
  });
});
