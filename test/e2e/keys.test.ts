import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { bearer, blockOf, putBlock, request } from '../support/keep.ts';
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
  service = await startService();
  user = await createUser(service, 'keyholder');
  signed = await putBlock(service.url, blockOf('signed before'), bearer(user.token));
});
afterAll(() => service.stop());

const read = async (locator: string) => (await request(`${service.url}/${locator}`, { token: user.token })).status;

test('signatures of the previous signing key are accepted as long as it is set, and no longer', async () => {
  const text = `. ${signed} 0:13:file\n`;
  await service.restart({ BLOB_SIGNING_KEY: NEW_KEY, BLOB_SIGNING_KEY_PREVIOUS: SIGNING_KEY });
  expect(await read(signed)).toBe(200);
  // A client that still holds old locators saves them, and gets new ones.
  const made = await api(service, 'collections', { token: user.token, body: { collection: { manifest_text: text } } });
  expect(made.status).toBe(200);
  const renewed = /(\S+) 0:13:file/.exec(made.json.manifest_text)?.[1] ?? '';
  expect(renewed).not.toBe(signed);
  await service.restart({ BLOB_SIGNING_KEY_PREVIOUS: '' });
  expect([await read(renewed), await read(signed)]).toEqual([200, 400]);
  expect(await read(signed.replace(/A[0-9a-f]{40}/, `A${'0'.repeat(40)}`))).toBe(400);
});

test('a new root token ends the old one and the S3 keys that come from it, and no token of a user', async () => {
  const key = () => request(`${service.url}/keep-edge/v1/s3-key`, { method: 'POST', token: user.token });
  const before = JSON.parse((await key()).text);
  const { uuid } = await createCollection(service, '. d41d8cd98f00b204e9800998ecf8427e+0 0:0:empty\n');
  const group = `xedge-j7d0g-${'anonymouspublic'}`;
  const link = { link_class: 'permission', name: 'can_read', tail_uuid: group, head_uuid: uuid };
  expect((await api(service, 'links', { body: { link } })).status).toBe(200);
  await service.restart({ SYSTEM_ROOT_TOKEN: NEW_ROOT });
  expect((await api(service, 'users/current', { token: ROOT_TOKEN })).status).toBe(401);
  expect((await api(service, 'users/current', { token: NEW_ROOT })).json.uuid).toBe('xedge-tpzed-000000000000000');
  expect((await api(service, 'users/current', { token: user.token })).json.uuid).toBe(user.uuid);
  expect((await request(`${service.url}/mounts`, { token: ROOT_TOKEN })).status).toBe(403);
  expect((await request(`${service.url}/c=${uuid}/`, { token: null })).status).toBe(200);
  const after = JSON.parse((await key()).text);
  expect(after.access_key_id).toBe(before.access_key_id);
  expect(after.secret_access_key).not.toBe(before.secret_access_key);
});

test('a new management token ends the old one', async () => {
  await service.restart({ MANAGEMENT_TOKEN: NEW_MANAGEMENT });
  const status = async (token: string) => (await request(`${service.url}/_health/ping`, { token })).status;
  expect([await status(MANAGEMENT_TOKEN), await status(NEW_MANAGEMENT)]).toEqual([403, 200]);
});
