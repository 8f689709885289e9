import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api, createToken, createUser, type TestUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { bearer, blockOf, putBlock, request } from '../support/keep.ts';
import { s3Keys, s3Request } from '../support/s3-client.ts';
import { MANAGEMENT_TOKEN, ROOT_TOKEN, SIGNING_KEY, startService, type TestService } from '../support/service.ts';

/** What each change of a secret breaks, and what it must not break. */

vi.setConfig({ testTimeout: 120_000 });

const NEW_KEY = 'anothersigningkeyanothersigningkey00';
const NEW_ROOT = 'anotherrootanotherrootanotherroot000';
const NEW_MANAGEMENT = 'anothermanagementanothermanagement00';

let service: TestService;
let user: TestUser;
let signed: string;
beforeAll(async () => {
  service = await startService({ vars: { VERIFY_READS: 'ranges', EDGE_CACHE: 'off' } });
  user = await createUser(service, 'keyholder');
  signed = await putBlock(service.url, blockOf('signed before'), bearer(user.token));
});
afterAll(() => service.stop());

const read = async (locator: string) => (await request(`${service.url}/${locator}`, { token: user.token })).status;

test('signatures of the previous signing key are accepted as long as it is set, and no longer', async () => {
  const text = `. ${signed} 0:13:file\n`;
  const { uuid } = await createCollection(service, `. ${blockOf('signed before').locator} 0:13:file\n`);
  const rangeOfFile = async () => {
    const answer = await request(`${service.url}/c=${uuid}/file`, { headers: { Range: 'bytes=1-4' } });
    return [answer.status, answer.text];
  };
  expect(await rangeOfFile()).toEqual([206, 'igne']);
  await service.restart({ BLOB_SIGNING_KEY: NEW_KEY, BLOB_SIGNING_KEY_PREVIOUS: SIGNING_KEY });
  expect(await read(signed)).toBe(200);
  // A client that still holds old locators saves them, and gets new ones.
  const made = await api(service, 'collections', { token: user.token, body: { collection: { manifest_text: text } } });
  expect(made.status).toBe(200);
  const renewed = /(\S+) 0:13:file/.exec(made.json.manifest_text)?.[1] ?? '';
  expect(renewed).not.toBe(signed);
  await service.restart({ BLOB_SIGNING_KEY_PREVIOUS: '' });
  expect([await read(renewed), await read(signed)]).toEqual([200, 400]);
  // Digests that the old key had sealed are made anew: the file's range is read all the same.
  expect(await rangeOfFile()).toEqual([206, 'igne']);
  expect(await read(signed.replace(/A[0-9a-f]{40}/, `A${'0'.repeat(40)}`))).toBe(400);
});

/** An address of the collection's file with a ticket, which DRS gives its reader. */
async function ticketFor(portableDataHash: string): Promise<string> {
  const id = `${portableDataHash.replace('+', '-')}.file`;
  const access = await request(`${service.url}/ga4gh/drs/v1/objects/${id}/access/https`, { token: user.token });
  return JSON.parse(access.text).url;
}

test('a new root token ends the old one, and the anonymous token, tickets and S3 keys that come from it, and no token of a user', async () => {
  const key = () => request(`${service.url}/keep-edge/v1/s3-key`, { method: 'POST', token: user.token });
  const before = JSON.parse((await key()).text);
  const { uuid, portable_data_hash } = await createCollection(
    service,
    `. ${blockOf('signed before').locator} 0:13:file\n`,
  );
  const group = `xedge-j7d0g-${'anonymouspublic'}`;
  const link = { link_class: 'permission', name: 'can_read', tail_uuid: group, head_uuid: uuid };
  expect((await api(service, 'links', { body: { link } })).status).toBe(200);
  const anonymousToken = async () => (await api(service, 'config', { token: null })).json.Users.AnonymousUserToken;
  const anonymous = await anonymousToken();
  expect((await api(service, `collections/${uuid}`, { token: anonymous })).status).toBe(200);
  const enter = { api_client_authorization: { owner_uuid: user.uuid, scopes: ['POST /workspace/enter'] } };
  const made = (await api(service, 'api_client_authorizations', { body: enter })).json;
  const signInPage = `${service.url}/workspace/enter?code=v2/${made.uuid}/${made.api_token}`;
  const ticket = await ticketFor(portable_data_hash);
  expect((await request(ticket, { token: null })).status).toBe(200);
  await service.restart({ SYSTEM_ROOT_TOKEN: NEW_ROOT });
  expect((await api(service, 'users/current', { token: ROOT_TOKEN })).status).toBe(401);
  expect((await api(service, 'users/current', { token: NEW_ROOT })).json.uuid).toBe('xedge-tpzed-000000000000000');
  expect((await api(service, 'users/current', { token: user.token })).json.uuid).toBe(user.uuid);
  expect((await request(`${service.url}/mounts`, { token: ROOT_TOKEN })).status).toBe(403);
  expect((await request(`${service.url}/c=${uuid}/`, { token: null })).status).toBe(200);
  expect((await api(service, `collections/${uuid}`, { token: anonymous })).status).toBe(401);
  expect((await api(service, `collections/${uuid}`, { token: await anonymousToken() })).status).toBe(200);
  expect((await request(ticket, { token: null })).status).toBe(404);
  expect((await request(await ticketFor(portable_data_hash), { token: null })).status).toBe(200);
  expect((await request(signInPage, { token: null })).status).toBe(200);
  const after = JSON.parse((await key()).text);
  expect(after.access_key_id).toBe(before.access_key_id);
  expect(after.secret_access_key).not.toBe(before.secret_access_key);
});

test('secrets of S3, of the provider and of a public token are changed each for itself', async () => {
  const provider = createServer((incoming, answer) => {
    const url = `http://${incoming.headers.host}`;
    const isToken = incoming.url === '/token';
    const secret = Buffer.from((incoming.headers.authorization ?? '').slice(6), 'base64').toString();
    const endpoints = {
      authorization_endpoint: `${url}/login`,
      token_endpoint: `${url}/token`,
      jwks_uri: `${url}/keys`,
    };
    answer.writeHead(isToken && secret !== 'keep:new' ? 401 : 200, { 'Content-Type': 'application/json' });
    answer.end(JSON.stringify(isToken ? { id_token: 'x.y.z' } : { ...endpoints, keys: [] }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => provider.once('listening', resolve));
  const OIDC_ISSUER = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  /** The status that the visitor gets who comes back from the provider. */
  const comeBack = async () => {
    const left = await fetch(`${service.url}/workspace/oidc`, { redirect: 'manual' });
    const state = new URL(left.headers.get('location') ?? '').searchParams.get('state');
    const cookie = (left.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
    const url = `${service.url}/workspace/oidc/callback?code=c&state=${state}`;
    return (await fetch(url, { headers: { cookie }, redirect: 'manual' })).status;
  };
  const owner = await createUser(service, 'owner');
  const text = `. ${blockOf('signed before').locator} 0:13:file\n`;
  const { uuid } = await createCollection(service, text, { owner_uuid: owner.uuid });
  const ANONYMOUS_USER_TOKEN = await createToken(service, owner.uuid);
  const publicOf = async () => (await request(`${service.url}/c=${uuid}/file`, { token: null })).status;
  const OIDC = { OIDC_ISSUER, OIDC_CLIENT_ID: 'keep', OIDC_CLIENT_SECRET: 'old' };
  const fromRoot = await s3Keys(service, owner.token);
  await service.restart({ ...OIDC, S3_KEY_SECRET: NEW_KEY, ANONYMOUS_USER_TOKEN });
  const list = async (keys: typeof fromRoot) => (await s3Request(service, '/', { keys })).code;
  const before = await s3Keys(service, owner.token);
  expect([await list(fromRoot), await list(before)]).toEqual(['SignatureDoesNotMatch', '']);
  expect(await comeBack()).toBe(502);
  const session = await publicOf();
  await service.restart({ OIDC_CLIENT_SECRET: 'new', S3_KEY_SECRET: NEW_ROOT, ANONYMOUS_USER_TOKEN: '' });
  const after = await s3Keys(service, owner.token);
  expect([await list(before), await list(after)]).toEqual(['SignatureDoesNotMatch', '']);
  // The provider takes the new secret; what it then says is no token of its own.
  expect(await comeBack()).not.toBe(502);
  expect([session, await publicOf()]).toEqual([200, 401]);
  expect((await api(service, 'users/current', { token: owner.token })).status).toBe(200);
  await api(service, `api_client_authorizations/${owner.token.split('/')[1]}`, { method: 'DELETE' });
  expect(await list(after)).toBe('InvalidAccessKeyId');
  provider.close();
});

test('a new management token ends the old one', async () => {
  await service.restart({ MANAGEMENT_TOKEN: NEW_MANAGEMENT });
  const status = async (token: string) => (await request(`${service.url}/_health/ping`, { token })).status;
  expect([await status(MANAGEMENT_TOKEN), await status(NEW_MANAGEMENT)]).toEqual([403, 200]);
});
