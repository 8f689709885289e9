import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, createUser } from '../support/api.ts';
import { type Cli, cliFor } from '../support/cli.ts';
import { stored } from '../support/collections.ts';
import { blockOf, request } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

let service: TestService;
let ann: Cli;
let uuid = '';
let annUuid = '';
const block = blockOf('shared content');
beforeAll(async () => {
  service = await startService({ vars: { TOKEN_CACHE_TTL: '1s', WEBDAV_CACHE_TTL: '0s' } });
  await stored(service, block);
  ann = await cliFor(service, 'ann');
  annUuid = (await api(service, 'users/current', { token: ann.token })).json.uuid;
  const record = {
    name: 'c',
    owner_uuid: annUuid,
    manifest_text: `. ${block.locator} 0:${block.data.length}:file.txt\n`,
  };
  uuid = (await api(service, 'collections', { body: { collection: record } })).json.uuid;
});
afterAll(async () => {
  await ann[Symbol.asyncDispose]();
  await service.stop();
});
const open = async (address: string) => (await request(`${address}file.txt`, { token: null })).status;

test('share prints an address that opens the collection, lists it without the address, and revokes it', async () => {
  const made = await ann.run('share', uuid, '--expires', '30d', '--name', 'for Eve');
  expect(made).toMatchObject({ code: 0 });
  expect(made.stderr).toMatch(/expires at \d{4}-/);
  const address = made.stdout.trim();
  expect(await open(address)).toBe(200);
  const listed = await ann.ok('share', uuid, '--list');
  const [link = ''] = listed.split('\n');
  expect(link).toMatch(new RegExp(`^\\S+-gj3su-\\S+\\s+link\\s+${annUuid}\\s+for Eve\\s+expires \\S+\\s+last used`));
  expect(listed).not.toContain(/t=([^/]+)/.exec(address)?.[1] ?? '?');
  expect((await ann.run('share', uuid, '--revoke', link.split(/\s/)[0] ?? '')).code).toBe(0);
  expect(await open(address)).toBe(404);
  expect(await ann.ok('share', uuid, '--list')).toBe('');
});

test('share --with gives permission, says how many people that is, and takes it back', async () => {
  const bob = await createUser(service, 'bob');
  await createUser(service, 'cat');
  const dry = await ann.ok('share', uuid, '--with', 'everyone', '--dry-run');
  expect(dry).toBe('All users could read it: 3 people. Nothing was changed.');
  expect((await api(service, `collections/${uuid}`, { token: bob.token })).status).toBe(404);
  const made = await ann.run('share', uuid, '--with', 'bob', '--can', 'write');
  expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining('bob can write it: 1 person.') });
  expect((await api(service, `collections/${uuid}`, { token: bob.token })).json.can_write).toBe(true);
  expect(await ann.ok('share', uuid, '--list')).toMatch(/can_write/);
  expect((await ann.run('share', uuid, '--revoke', 'bob')).code).toBe(0);
  expect((await api(service, `collections/${uuid}`, { token: bob.token })).status).toBe(404);
  expect(await ann.ok('share', uuid, '--with', 'public', '--dry-run')).toContain(
    'everyone, with or without an account',
  );
  expect((await ann.run('share', uuid, '--with', 'public')).code).toBe(0);
  expect((await request(`${service.url}/c=${uuid}/file.txt`, { token: null })).status).toBe(200);
  expect((await ann.run('share', uuid, '--revoke', 'public')).code).toBe(0);
  expect((await request(`${service.url}/c=${uuid}/file.txt`, { token: null })).status).toBe(401);
});

test('share says what is wrong with a command line', async () => {
  const refusal = async (...args: string[]) => {
    const { code, stderr } = await ann.run('share', ...args);
    return `${code} ${stderr}`;
  };
  expect(await refusal('nonsense')).toMatch(/^2 .*UUID/);
  expect(await refusal(uuid, '--with', 'public', '--expires', '1d')).toMatch(
    /^2 .*--expires goes with: .* without --with/,
  );
  expect(await refusal(uuid, '--can', 'write')).toMatch(/^2 .*--can goes with: .* --with/);
  expect(await refusal(uuid, '--expires', 'soon')).toMatch(/^2 .*30d/);
  expect(await refusal(uuid, '--with', 'not.here')).toMatch(/^1 .*no user and no role/);
  expect(await refusal(uuid.replace(/.....$/, '00000'))).toMatch(/^1 /);
});

test('user transfer hands everything over', async () => {
  await using leaver = await cliFor(service, 'leaver');
  const made = await api(service, 'collections', { token: leaver.token, body: { collection: { name: 'theirs' } } });
  ann.env.ARVADOS_API_TOKEN = service.rootToken;
  const { code, stderr } = await ann.run('user', 'transfer', 'leaver', 'ann');
  ann.env.ARVADOS_API_TOKEN = ann.token;
  expect({ code, stderr }).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('1 collection, project or account handed over'),
  });
  expect((await api(service, `collections/${made.json.uuid}`, { token: ann.token })).json.can_manage).toBe(true);
  expect((await leaver.run('ls')).code).not.toBe(0);
});

test('search finds what the user may read; admins look after its index', async () => {
  const named = { collection: { name: 'searched for: Okapi', owner_uuid: annUuid, manifest_text: '' } };
  const { uuid: okapi } = (await api(service, 'collections', { body: named })).json;
  expect(await ann.ok('search', 'okapi', 'searched for')).toBe(`${okapi}  searched for: Okapi`);
  expect(await ann.ok('search', 'okapi', 'zebra')).toBe('Nothing found.');
  expect(await ann.run('search')).toMatchObject({ code: 2 });
  expect((await ann.run('search', '--status')).stderr).toContain('admins');
  ann.env.ARVADOS_API_TOKEN = ROOT_TOKEN;
  expect(await ann.ok('search', '--rebuild')).toBe('The search index is complete, 0 changed records to take in.');
  expect(await ann.ok('search', '--status')).toContain('complete');
  ann.env.ARVADOS_API_TOKEN = ann.token;
  expect(await ann.ok('search', '--json', 'okapi')).toContain(okapi);
});
