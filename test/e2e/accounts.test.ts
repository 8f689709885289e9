import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createToken, createUser } from '../support/api.ts';
import { bearer, blockOf, type KeepAnswer, randomBlock, request, sign } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({ vars: { TOKEN_CACHE_TTL: '2s' } });
});
afterAll(() => service.stop());

const put = (token: string | null, data: string): Promise<KeepAnswer> => {
  const block = blockOf(data);
  return request(`${service.url}/${block.hash}`, { method: 'PUT', body: block.data, token });
};
let names = 0;
const newUser = () => createUser(service, `user${names++}`);

describe('block writes', () => {
  test('need a token that the authority knows', async () => {
    const user = await newUser();
    expect((await put(user.token, 'a')).status).toBe(200);
    expect((await put(user.token.split('/')[2] ?? '', 'a')).status, 'its bare secret').toBe(200);
    expect((await put(`${user.token}x`, 'a')).status).toBe(401);
    expect((await put('v2/xedge-gj3su-000000000000000/nosuchtoken', 'a')).status).toBe(401);
    expect((await put(null, 'a')).status).toBe(401);
    const [, , secret] = user.token.split('/');
    expect((await put(`v2/xedge-gj3su-aaaaaaaaaaaaaaa/${secret}`, 'a')).status, 'under another name').toBe(401);
  });

  test('are refused to a token whose scopes do not reach them', async () => {
    const user = await newUser();
    const reader = await createToken(service, user.uuid, { scopes: ['GET /'] });
    expect((await put(reader, 'b')).status).toBe(403);
    const one = await createToken(service, user.uuid, { scopes: [`PUT /${blockOf('b').hash}`] });
    expect((await put(one, 'b')).status).toBe(200);
    expect((await put(one, 'c')).status).toBe(403);
  });

  test('are refused to an expired token, cached or not', async () => {
    const user = await newUser();
    const expiry = Date.now() + 5000;
    const token = await createToken(service, user.uuid, { expires_at: new Date(expiry).toISOString() });
    expect((await put(token, 'd')).status).toBe(200);
    // Asked for all the time, so that it is in the cache when it expires.
    while (Date.now() <= expiry) {
      await put(token, 'd');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect((await put(token, 'd')).status).toBe(401);
  });
});

test('a revoked token is refused within TOKEN_CACHE_TTL', async () => {
  const user = await newUser();
  expect((await put(user.token, 'e')).status).toBe(200);
  const uuid = user.token.split('/')[1];
  expect(
    (await api(service, `api_client_authorizations/${uuid}`, { method: 'DELETE', token: user.token })).status,
  ).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  expect((await put(user.token, 'e')).status).toBe(401);
  expect((await api(service, 'users/current', { token: user.token })).status).toBe(401);
});

test('a deactivated user can do nothing, and again everything once activated', async () => {
  const user = await newUser();
  await api(service, `users/${user.uuid}`, { method: 'PUT', body: { user: { is_active: false } } });
  expect((await put(user.token, 'f')).status).toBe(403);
  for (const path of ['users/current', 'collections', 'groups', 'api_client_authorizations']) {
    expect((await api(service, path, { token: user.token })).status, path).toBe(403);
  }
  await api(service, `users/${user.uuid}`, { method: 'PUT', body: { user: { is_active: true } } });
  expect((await put(user.token, 'f')).status).toBe(200);
});

describe('scopes over the wire', () => {
  test('a sharing token reads its one collection and nothing else', async () => {
    const user = await newUser();
    const mine = await api(service, 'collections', { token: user.token, body: { collection: { name: 'mine' } } });
    const other = await api(service, 'collections', { token: user.token, body: { collection: { name: 'other' } } });
    const scopes = [`GET /arvados/v1/collections/${mine.json.uuid}`, 'GET /arvados/v1/keep_services/accessible'];
    const token = await createToken(service, user.uuid, { scopes });
    const status = async (path: string, options = {}) => (await api(service, path, { token, ...options })).status;
    expect(await status(`collections/${mine.json.uuid}`)).toBe(200);
    expect(await status(`collections/${other.json.uuid}`)).toBe(403);
    expect(await status('collections')).toBe(403);
    expect(await status(`collections/${mine.json.uuid}`, { method: 'PUT', body: { name: 'x' } })).toBe(403);
    expect(await status('users/current')).toBe(403);
    expect(await status('api_client_authorizations/current')).toBe(200);
    expect((await api(service, 'api_client_authorizations/current', { token })).json.scopes).toEqual(scopes);
  });

  test('a method override is judged as the method that it stands for', async () => {
    const user = await newUser();
    const made = await api(service, 'collections', { token: user.token, body: { collection: {} } });
    const token = await createToken(service, user.uuid, { scopes: ['POST /', 'GET /'] });
    const headers = { 'X-HTTP-Method-Override': 'DELETE' };
    expect((await api(service, `collections/${made.json.uuid}`, { method: 'POST', token, headers })).status).toBe(403);
    const listed = await api(service, 'collections', {
      method: 'POST',
      token,
      headers: { 'X-HTTP-Method-Override': 'GET', 'content-type': 'application/x-www-form-urlencoded' },
      body: `filters=${encodeURIComponent(JSON.stringify([['uuid', '=', made.json.uuid]]))}`,
    });
    expect(listed.json.items).toHaveLength(1);
  });

  test('a token with limited scopes cannot make one with more', async () => {
    const user = await newUser();
    const scopes = ['POST /arvados/v1/api_client_authorizations', 'GET /arvados/v1/collections'];
    const token = await createToken(service, user.uuid, { scopes });
    const make = (wanted: string[]) =>
      api(service, 'api_client_authorizations', { token, body: { api_client_authorization: { scopes: wanted } } });
    expect((await make(['all'])).status).toBe(403);
    expect((await make(['GET /'])).status).toBe(403);
    expect((await make(['GET /arvados/v1/collections'])).status).toBe(200);
    expect((await make(['nonsense'])).status).toBe(422);
  });

  test('a user cannot make or see tokens of others, or become an admin', async () => {
    const [one, two] = [await newUser(), await newUser()];
    const body = { api_client_authorization: { owner_uuid: two.uuid } };
    expect((await api(service, 'api_client_authorizations', { token: one.token, body })).status).toBe(403);
    const uuid = two.token.split('/')[1];
    expect((await api(service, `api_client_authorizations/${uuid}`, { token: one.token })).status).toBe(404);
    expect(
      (await api(service, `api_client_authorizations/${uuid}`, { method: 'DELETE', token: one.token })).status,
    ).toBe(404);
    const promote = { method: 'PUT', token: one.token, body: { user: { is_admin: true } } };
    expect((await api(service, `users/${one.uuid}`, promote)).status).toBe(403);
    expect((await api(service, `users/${two.uuid}`, promote)).status).toBe(403);
    expect((await api(service, 'users', { token: one.token, body: { user: { username: 'mallory' } } })).status).toBe(
      403,
    );
  });

  test('users see each other, and change only themselves', async () => {
    const [one, two] = [await newUser(), await newUser()];
    const seen = await api(service, 'users', {
      token: one.token,
      query: { filters: [['uuid', 'in', [one.uuid, two.uuid]]] },
    });
    expect(
      seen.json.items.map((user: { uuid: string; can_write: boolean }) => [user.uuid, user.can_write]).sort(),
    ).toEqual(
      [
        [one.uuid, true],
        [two.uuid, false],
      ].sort(),
    );
    const rename = { method: 'PUT', token: one.token, body: { user: { first_name: 'x' } } };
    expect((await api(service, `users/${two.uuid}`, rename)).status).toBe(403);
    expect((await api(service, `users/${one.uuid}`, rename)).status).toBe(200);
  });
});

test('the API takes no token from a cookie, which browsers send by themselves', async () => {
  const user = await newUser();
  const headers = { cookie: `arvados_api_token=${Buffer.from(user.token).toString('base64url')}` };
  expect((await api(service, 'users/current', { token: null, headers })).status).toBe(401);
  expect((await api(service, 'users/current', { token: null, query: { api_token: user.token } })).status).toBe(200);
});

test('a token is kept as a hash: no answer ever shows its secret again', async () => {
  const user = await newUser();
  const [, uuid, secret = ''] = user.token.split('/');
  const record = await api(service, `api_client_authorizations/${uuid}`);
  const list = await api(service, 'api_client_authorizations', { query: { limit: 1000 } });
  expect(JSON.stringify([record.json, list.json])).not.toContain(secret);
  expect(record.json).not.toHaveProperty('secret_sha256');
});

describe('uploader accounts', () => {
  const create = async (owner: { token: string }) => {
    const made = await api(service, 'uploader_accounts', {
      token: owner.token,
      body: { uploader_account: { name: 'sequencer 3' } },
    });
    expect(made.status).toBe(200);
    return made.json as { uuid: string; api_token: string; owner_uuid: string };
  };

  test('write blocks, create and update their own collections, and nothing else', async () => {
    const owner = await newUser();
    const uploader = await create(owner);
    expect(uploader.owner_uuid).toBe(owner.uuid);
    const token = uploader.api_token;
    const stored = await put(token, 'from the sequencer');
    expect(stored.status).toBe(200);
    const manifest = `. ${stored.text.trim()} 0:18:run.txt\n`;
    const made = await api(service, 'collections', {
      token,
      body: { collection: { name: 'run 1', manifest_text: manifest } },
    });
    expect(made.json.owner_uuid).toBe(uploader.uuid);
    const path = `collections/${made.json.uuid}`;
    expect((await api(service, path, { method: 'PUT', token, body: { name: 'run 1b' } })).status).toBe(200);
    expect((await api(service, path, { token })).json.name).toBe('run 1b');

    const foreign = await api(service, 'collections', { token: owner.token, body: { collection: {} } });
    const refused: [string, object, number][] = [
      [`collections/${foreign.json.uuid}`, {}, 404],
      [`collections/${foreign.json.uuid}`, { method: 'PUT', body: { name: 'x' } }, 404],
      ['collections', { body: { collection: { owner_uuid: owner.uuid } } }, 422],
      ['collections', {}, 403],
      [path, { method: 'DELETE' }, 403],
      ['groups', { body: { group: { name: 'g' } } }, 403],
      ['users', {}, 403],
      [`users/${uploader.uuid}`, { method: 'PUT', body: { first_name: 'x' } }, 403],
      ['api_client_authorizations', {}, 403],
      ['api_client_authorizations', { body: { api_client_authorization: {} } }, 403],
      ['uploader_accounts', { body: {} }, 403],
      ['upload_log', {}, 403],
      ['logs', { body: { log: {} } }, 403],
    ];
    for (const [target, options, status] of refused) {
      expect((await api(service, target, { token, ...options })).status, `${target} ${JSON.stringify(options)}`).toBe(
        status,
      );
    }
    const index = await request(`${service.url}/index`, { token });
    expect(index.status).toBe(403);
  });

  test('belong to their owner, who alone sees and changes their records', async () => {
    const [owner, stranger] = [await newUser(), await newUser()];
    const uploader = await create(owner);
    const made = await api(service, 'collections', {
      token: uploader.api_token,
      body: { collection: { name: 'theirs' } },
    });
    const path = `collections/${made.json.uuid}`;
    expect((await api(service, path, { token: owner.token })).status).toBe(200);
    expect((await api(service, path, { method: 'PUT', token: owner.token, body: { name: 'seen' } })).json.name).toBe(
      'seen',
    );
    const mine = await api(service, 'collections', {
      token: owner.token,
      query: { filters: [['owner_uuid', '=', uploader.uuid]] },
    });
    expect(mine.json.items_available).toBe(1);
    expect((await api(service, path, { token: stranger.token })).status).toBe(404);
    expect((await api(service, `users/${uploader.uuid}`, { token: stranger.token })).status).toBe(404);
    const moved = await api(service, path, { method: 'PUT', token: owner.token, body: { owner_uuid: owner.uuid } });
    expect(moved.json.owner_uuid).toBe(owner.uuid);
    expect((await api(service, path, { token: uploader.api_token })).status).toBe(404);
  });

  test('can do nothing once their owner has deactivated them', async () => {
    const owner = await newUser();
    const uploader = await create(owner);
    const off = await api(service, `users/${uploader.uuid}`, {
      method: 'PUT',
      token: owner.token,
      body: { user: { is_active: false } },
    });
    expect(off.json.is_active).toBe(false);
    expect((await put(uploader.api_token, 'x')).status).toBe(403);
    expect((await api(service, 'collections', { token: uploader.api_token, body: { collection: {} } })).status).toBe(
      403,
    );
    expect((await api(service, 'users/current', { token: uploader.api_token })).status).toBe(403);
  });

  test('can do nothing while their owner is deactivated', async () => {
    const owner = await newUser();
    const uploader = await create(owner);
    await api(service, `users/${owner.uuid}`, { method: 'PUT', body: { user: { is_active: false } } });
    expect((await put(uploader.api_token, 'x')).status).toBe(403);
    await api(service, `users/${owner.uuid}`, { method: 'PUT', body: { user: { is_active: true } } });
    expect((await put(uploader.api_token, 'x')).status).toBe(200);
  });

  test('are made for oneself only, unless by an admin', async () => {
    const [one, two] = [await newUser(), await newUser()];
    const body = { uploader_account: { owner_uuid: two.uuid } };
    expect((await api(service, 'uploader_accounts', { token: one.token, body })).status).toBe(403);
    expect((await api(service, 'uploader_accounts', { body })).json.owner_uuid).toBe(two.uuid);
  });
});

describe('the upload log', () => {
  test('has every accepted block with its size, its user and the time, for admins to ask', async () => {
    const user = await newUser();
    const started = new Date().toISOString();
    const block = randomBlock(1234);
    await Promise.all(Array.from({ length: 20 }, (_, i) => put(user.token, `upload ${i}`)));
    await request(`${service.url}/${block.hash}`, { method: 'PUT', body: block.data, token: user.token });
    await request(`${service.url}/${block.hash}`, { method: 'PUT', body: new Uint8Array(3), token: user.token });
    const ask = async (filters: unknown) =>
      (await api(service, 'upload_log', { query: { filters, limit: 1000 } })).json;
    expect((await ask([['user_uuid', '=', user.uuid]])).items_available).toBe(21);
    expect((await ask([['hash', '=', block.hash]])).items).toMatchObject([{ size: 1234, user_uuid: user.uuid }]);
    expect(
      (
        await ask([
          ['user_uuid', '=', user.uuid],
          ['uploaded_at', '<', started],
        ])
      ).items_available,
    ).toBe(0);
    expect(
      (
        await ask([
          ['user_uuid', '=', user.uuid],
          ['uploaded_at', '>=', started],
        ])
      ).items_available,
    ).toBe(21);
    expect((await api(service, 'upload_log', { token: user.token })).status).toBe(403);
  });

  test('loses nothing when the service ends in order right after an upload', async () => {
    const state = await mkdtemp(join(tmpdir(), 'keep-edge-'));
    const blocks = Array.from({ length: 30 }, (_, i) => blockOf(`last ${i}`));
    const first = await startService({ state });
    await Promise.all(blocks.map(({ hash, data }) => request(`${first.url}/${hash}`, { method: 'PUT', body: data })));
    await first.stop();
    const second = await startService({ state });
    const found = await api(second, 'upload_log', {
      query: { filters: [['hash', 'in', blocks.map(({ hash }) => hash)]] },
    });
    expect(found.json.items_available).toBe(blocks.length);
    await second.stop();
    await rm(state, { recursive: true });
  });
});

test('reading a block asks for its signature, not for an account', async () => {
  const user = await newUser();
  const stored = await put(user.token, 'public to signers');
  expect((await request(`${service.url}/${stored.text.trim()}`, { token: user.token })).text).toBe('public to signers');
  const unsigned = stored.text.trim().replace(/\+A.*/, '');
  expect((await request(`${service.url}/${unsigned}`, { token: user.token })).status).toBe(400);
  expect(
    (await request(`${service.url}/${sign(unsigned, { token: 'never seen' })}`, { headers: bearer('never seen') }))
      .status,
  ).toBe(200);
});
