import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api, createToken, createUser } from '../support/api.ts';
import { type Cli, cliFor } from '../support/cli.ts';
import { request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

/** The drill: a service under load loses its database, and gets everything that was acknowledged back from its bucket. */

vi.setConfig({ testTimeout: 180_000 });

let service: TestService;
let cli: Cli;
beforeAll(async () => {
  service = await startService();
  cli = await cliFor(service, 'writer');
});
afterAll(async () => {
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

/** All tables of accounts and collections are gone; buckets, queues and locks stay. */
async function loseDatabase(): Promise<void> {
  await service.kill();
  const d1 = readdirSync(service.state, { recursive: true, encoding: 'utf8' }).find((path) => /(^|\/)d1$/.test(path));
  await rm(join(service.state, String(d1)), { recursive: true });
  await service.restart();
}

const asRoot = (...args: string[]) => {
  cli.env.ARVADOS_API_TOKEN = service.rootToken;
  return cli.run(...args).finally(() => {
    cli.env.ARVADOS_API_TOKEN = cli.token;
  });
};

test('a database that is lost under load is rebuilt from the bucket, and nothing that was acknowledged is missing', async () => {
  const { token } = cli;
  const made = (path: string, body: unknown, as = token) => api(service, path, { token: as, body });
  // One of each kind of change, before and after a snapshot.
  const outer = (await made('groups', { group: { name: 'outer', group_class: 'project' } })).json;
  const inner = (await made('groups', { group: { name: 'inner', group_class: 'project', owner_uuid: outer.uuid } }))
    .json;
  const friend = await createUser(service, 'friend');
  const former = await createUser(service, 'former');
  const revoked = await createToken(service, friend.uuid);
  const link = (name: string, tail: string) =>
    made('links', { link: { link_class: 'permission', name, tail_uuid: tail, head_uuid: outer.uuid } });
  const kept = await link('can_read', friend.uuid);
  const ended = await link('can_read', former.uuid);
  await service.scheduled();
  expect((await asRoot('backup')).code).toBe(0);
  const second = (await made('groups', { group: { name: 'second', group_class: 'project' } })).json;
  const shared = (await made('collections', { collection: { name: 'in inner', owner_uuid: inner.uuid } })).json;
  const removed = (await made('collections', { collection: { name: 'erased' } })).json;
  const typedUrl = `${service.url}/c=${shared.uuid}/typed.txt`;
  await request(typedUrl, { method: 'PUT', body: 'typed', token });
  const property = '<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">1</x></prop></set></propertyupdate>';
  expect((await request(typedUrl, { method: 'PROPPATCH', body: property, token })).status).toBe(207);

  const acknowledged = new Map<string, string>();
  let isOver = false;
  const load = Array.from({ length: 6 }, async (_, writer) => {
    for (let n = 0; !isOver; n++) {
      const name = `load ${writer}-${n}`;
      const { status, json } = await made('collections', { collection: { name } }).catch(() => ({
        status: 0,
        json: {},
      }));
      if (status !== 200) return;
      acknowledged.set(json.uuid, '');
      const put = await request(`${service.url}/c=${json.uuid}/file`, { method: 'PUT', body: name, token }).catch(
        () => null,
      );
      if (put?.status !== 201) return;
      acknowledged.set(json.uuid, name);
    }
  });
  // Access that is taken away while all this goes on.
  const revoke = (path: string) => api(service, path, { method: 'DELETE', token: service.rootToken });
  expect((await revoke(`api_client_authorizations/${revoked.split('/')[1]}`)).status).toBe(200);
  expect((await revoke(`links/${ended.json.uuid}`)).status).toBe(200);
  const deactivated = await api(service, `users/${former.uuid}`, {
    method: 'PUT',
    body: { user: { is_active: false } },
  });
  expect(deactivated.status).toBe(200);
  expect((await asRoot('erase', removed.uuid, '--yes')).code).toBe(0);
  await vi.waitUntil(() => acknowledged.size > 30, { timeout: 60_000, interval: 50 });
  const lost = loseDatabase();
  await Promise.race([...load, lost]);
  isOver = true;
  await Promise.all([...load, lost]);

  expect((await api(service, 'users/current', { token })).status).toBe(401);
  const before = Date.now();
  const restored = await asRoot('restore', '--json');
  expect([restored.code, restored.stderr]).toEqual([0, expect.stringContaining('done')]);
  const told = JSON.parse(restored.stdout) as { moment: string; unproven: unknown; problems: unknown[] };
  expect(told).toMatchObject({ unproven: null, problems: [], counts: { file_metadata: 1 } });
  expect(Date.parse(told.moment)).toBeLessThan(before);

  for (const [uuid, content] of acknowledged) {
    expect([uuid, (await api(service, `collections/${uuid}`, { token })).status]).toEqual([uuid, 200]);
    if (content === '') continue;
    const file = await request(`${service.url}/c=${uuid}/file`, { token });
    expect([file.status, file.text]).toEqual([200, content]);
  }
  const typed = await request(typedUrl, { token: friend.token });
  expect([typed.status, typed.text]).toEqual([200, 'typed']);
  expect((await api(service, `groups/${second.uuid}`, { token })).status).toBe(200);
  expect((await api(service, `links/${kept.json.uuid}`, { token })).status).toBe(200);

  // No access is revived.
  expect((await api(service, 'users/current', { token: revoked })).status).toBe(401);
  expect((await api(service, 'users/current', { token: former.token })).status).toBe(403);
  expect((await api(service, `links/${ended.json.uuid}`)).status).toBe(404);
  expect((await api(service, `collections/${removed.uuid}`)).status).toBe(404);
  expect((await service.r2('MANIFESTS').list(`backups/collections/${removed.uuid}/`)).length).toBe(0);

  // The service goes on, and a second restore is refused.
  expect((await made('collections', { collection: { name: 'afterwards', owner_uuid: inner.uuid } })).status).toBe(200);
  expect((await asRoot('restore')).stderr).toContain('fills an empty one');
});

test('tokens are disabled when a change of accounts is missing from the bucket', async () => {
  await createUser(service, 'last');
  await createUser(service, 'very-last');
  const bucket = service.r2('MANIFESTS');
  const changes = await bucket.list('backups/accounts/changes/');
  await loseDatabase();
  await service.r2('MANIFESTS').delete(String(changes.at(-3)));
  const restored = await asRoot('restore', '--json');
  expect(restored.code).toBe(1);
  expect(JSON.parse(restored.stdout).unproven).toMatch(/^changes \d+ to \d+ of accounts are not in the bucket$/);
  expect((await api(service, 'users/current', { token: cli.token })).status).toBe(401);
  expect((await api(service, 'users', { token: service.rootToken })).json.items.length).toBeGreaterThan(2);
});
