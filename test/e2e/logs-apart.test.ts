import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../dev/serve.ts';
import { api, createUser, type Json, type TestUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { blockOf, putBlock, request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

/** Logs and uploads in a database of their own: LOGS_DB as wrangler.toml has it, without the comment signs. */
let directory: string;
let service: TestService;
let user: TestUser;
let other: TestUser;
let collection: Json;
const FOO = blockOf('foo');

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-'));
  const toml = await readFile(join(ROOT, 'wrangler.toml'), 'utf8');
  const apart = toml.replace(/(?:^# .*\n)*^# binding = "LOGS_DB"\n(?:^# .*\n)*/m, (block) =>
    block.replace(/^# (?=\[\[|[a-z_]+ = )/gm, ''),
  );
  expect(apart).toContain('\n[[d1_databases]]\nbinding = "LOGS_DB"\n');
  const configFile = join(directory, 'wrangler.toml');
  await writeFile(configFile, apart);
  service = await startService({ configFile, state: join(directory, 'state') });
  user = await createUser(service, 'owner');
  other = await createUser(service, 'other');
  await putBlock(service.url, FOO);
  collection = await createCollection(service, `. ${FOO.locator} 0:3:f\n`, { owner_uuid: user.uuid });
});
afterAll(async () => {
  await service.stop();
  await rm(directory, { recursive: true });
});

const logs = async (token: string, filters: unknown[] = []) =>
  (await api(service, 'logs', { token, query: { filters } })).json.items.map((item: Json) => item.event_type);

describe('a log in a database of its own', () => {
  test('has what clients report, downloads and uploads', async () => {
    await api(service, 'logs', {
      token: user.token,
      body: { log: { event_type: 'mine', object_uuid: collection.uuid } },
    });
    await api(service, 'logs', {
      token: other.token,
      body: { log: { event_type: 'theirs', object_uuid: collection.uuid } },
    });
    await request(`${service.url}/c=${collection.uuid}/f`, { token: user.token });
    await expect.poll(() => logs(service.rootToken), { timeout: 20_000 }).toContain('file_download');
    expect((await api(service, 'upload_log')).json.items).toMatchObject([{ hash: FOO.hash, size: 3 }]);
  });

  test('shows users what they reported, and all events of an object that they name and may read', async () => {
    expect((await logs(user.token)).sort()).toEqual(['create', 'file_download', 'mine']);
    const named = [['object_uuid', '=', collection.uuid]];
    expect(await logs(user.token, named)).toEqual(expect.arrayContaining(['mine', 'theirs']));
    expect(await logs(user.token, [['object_uuid', 'in', [collection.uuid]]])).toEqual(
      expect.arrayContaining(['theirs']),
    );
    expect(await logs(other.token, named)).toEqual(['theirs']);
  });

  test('takes no room where collections are: without it they are all there, and no log', async () => {
    await service.stop();
    service = await startService({ state: join(directory, 'state') });
    expect(await logs(service.rootToken)).toEqual([]);
    expect((await api(service, 'upload_log')).json.items).toEqual([]);
    expect((await api(service, `collections/${collection.uuid}`)).status).toBe(200);
  });
});
