import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createToken, createUser, type Json } from '../support/api.ts';
import { cliFor } from '../support/cli.ts';
import { createCollection, stored } from '../support/collections.ts';
import { blockOf, request, sign } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

/** Past versions of collections, with COLLECTION_VERSIONING and for those that ask with preserve_version. */

let service: TestService;
const FOO = blockOf('foo');
const BAR = blockOf('barbar');

beforeAll(async () => {
  service = await startService({ vars: { COLLECTION_VERSIONING: 'true', PRESERVE_VERSION_IF_IDLE: '0s' } });
  await stored(service, FOO, BAR);
});
afterAll(() => service.stop());

const BODIES: Record<string, string> = {
  PUT: 'x',
  PROPPATCH: '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><k xmlns="x:">v</k></D:prop></D:set></D:propertyupdate>',
  LOCK: '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>',
};
const text = (name: string, block = FOO) => `. ${block.locator} 0:3:${name}\n`;
const patch = (uuid: string, body: Json, token = ROOT_TOKEN) =>
  api(service, `collections/${uuid}`, { method: 'PATCH', body, token });
const versionsOf = async (uuid: string, token = ROOT_TOKEN): Promise<Json[]> =>
  (
    await api(service, 'collections', {
      token,
      query: { include_old_versions: true, filters: [['current_version_uuid', '=', uuid]], order: 'version' },
    })
  ).json.items;
const settle = async (uuid: string) => (await api(service, `collections/${uuid}`)).json;

describe('with COLLECTION_VERSIONING', () => {
  test('each change of files, name, description or properties keeps the state before it, readable by every address', async () => {
    const { uuid } = await createCollection(service, text('old'));
    const first = await settle(uuid);
    await patch(uuid, { replace_files: { '/new': 'current/old', '/old': '' } });
    await patch(uuid, { collection: { description: 'told', properties: { n: 1 } } });
    await patch(uuid, { collection: { replication_desired: 1 } });
    const listed = await versionsOf(uuid);
    expect(listed.map(({ version, current_version_uuid }) => [version, current_version_uuid])).toEqual([
      [1, uuid],
      [2, uuid],
      [3, uuid],
    ]);
    const [past] = listed;
    expect([past.uuid === uuid, past.portable_data_hash, past.modified_at]).toEqual([
      false,
      first.portable_data_hash,
      first.modified_at,
    ]);
    // What is no part of a version is that of the current one.
    expect(past.replication_desired).toBe(1);
    expect((await request(`${service.url}/c=${past.uuid}/old`)).text).toBe('foo');
    expect((await request(`${service.url}/by_id/${past.uuid}/old`)).text).toBe('foo');
    expect((await request(`${service.url}/c=${first.portable_data_hash.replace('+', '-')}/old`)).text).toBe('foo');
    const record = await api(service, `collections/${past.uuid}`);
    expect([record.json.current_version_uuid, record.json.manifest_text.replace(/\+A\S+/, '')]).toEqual([
      uuid,
      text('old'),
    ]);
    expect((await request(`${service.url}/c=${uuid}/new`)).text).toBe('foo');
  });

  test('lists without include_old_versions, also of what a project has, show the current ones only', async () => {
    const { uuid, owner_uuid } = (await createCollection(service, text('a'))) as Json;
    await patch(uuid, { replace_files: { '/b': 'current/a' } });
    const mine = async (query: Json) =>
      (
        await api(service, `groups/${owner_uuid}/contents`, {
          query: { filters: [['uuid', 'is_a', 'arvados#collection']], limit: 1000, ...query },
        })
      ).json.items.filter((item: Json) => item.current_version_uuid === uuid);
    expect(await mine({})).toHaveLength(1);
    expect(await mine({ include_old_versions: true })).toHaveLength(2);
    const plain = await api(service, 'collections', { query: { filters: [['current_version_uuid', '=', uuid]] } });
    expect(plain.json.items).toHaveLength(1);
    const shared = await api(service, 'groups/contents', {
      query: { include_old_versions: true, exclude_home_project: true },
    });
    expect(shared.status).toBe(200);
  });

  test('lists of many versions with their texts go on where a page ends', async () => {
    const { uuid } = await createCollection(service, text('a'));
    for (let i = 0; i < 12; i++)
      await patch(uuid, { collection: { description: `${i}`.repeat(400_000).slice(0, 190_000) } });
    const seen: Json[] = [];
    while (seen.length < 13) {
      const { json } = await api(service, 'collections', {
        query: {
          include_old_versions: true,
          filters: [['current_version_uuid', '=', uuid]],
          order: 'version',
          offset: seen.length,
        },
      });
      expect(json.items.length).toBeGreaterThan(0);
      seen.push(...json.items);
    }
    expect(seen.map(({ version }) => version)).toEqual(Array.from({ length: 13 }, (_, i) => i + 1));
    const { json } = await api(service, 'collections', {
      query: {
        include_old_versions: true,
        filters: [['current_version_uuid', '=', uuid]],
        select: ['uuid', 'manifest_text'],
      },
    });
    expect(json.items.map((item: Json) => item.manifest_text.replace(/\+A\S+/, ''))).toEqual(Array(13).fill(text('a')));
  });

  test('a past version is readable to those who may read the collection now, and no one changes it', async () => {
    const ann = await createUser(service, 'ann');
    const bob = await createUser(service, 'bob');
    const { json } = await api(service, 'collections', {
      token: ann.token,
      body: { collection: { manifest_text: '' } },
    });
    const { uuid } = json;
    await patch(uuid, { collection: { description: 'second' } }, ann.token);
    const [past] = await versionsOf(uuid, ann.token);
    expect(past.uuid).not.toBe(uuid);
    const read = (token: string) => api(service, `collections/${past.uuid}`, { token });
    expect([(await read(ann.token)).status, (await read(bob.token)).status]).toEqual([200, 404]);
    expect(await versionsOf(uuid, bob.token)).toEqual([]);
    await api(service, 'links', {
      body: { link: { link_class: 'permission', name: 'can_write', tail_uuid: bob.uuid, head_uuid: uuid } },
    });
    expect((await read(bob.token)).status).toBe(200);
    expect(await versionsOf(uuid, bob.token)).toHaveLength(2);
    // Found through all that one may read, too.
    const all = await api(service, 'collections', { token: bob.token, query: { include_old_versions: true } });
    expect(all.json.items.map((item: Json) => item.uuid)).toContain(past.uuid);
    for (const token of [ann.token, bob.token]) {
      expect((await patch(past.uuid, { collection: { description: 'x' } }, token)).status).toBe(422);
      expect((await patch(past.uuid, { replace_files: { '/': '' } }, token)).status).toBe(422);
      expect((await api(service, `collections/${past.uuid}`, { method: 'DELETE', token })).status).toBe(422);
      for (const method of ['PUT', 'DELETE', 'MKCOL', 'PROPPATCH', 'LOCK', 'MOVE', 'COPY']) {
        const headers = { destination: `/c=${past.uuid}/y` };
        const body = BODIES[method] === undefined ? {} : { body: BODIES[method] };
        const answer = await request(`${service.url}/c=${past.uuid}/x`, { method, token, headers, ...body });
        expect([method, answer.status]).toEqual([method, 405]);
      }
    }
    // As if it were not there.
    const carol = await createUser(service, 'carol');
    expect((await request(`${service.url}/c=${past.uuid}/x`, { method: 'MKCOL', token: carol.token })).status).toBe(
      404,
    );
    const head = { link_class: 'permission', name: 'can_read', tail_uuid: carol.uuid, head_uuid: past.uuid };
    expect((await api(service, 'links', { body: { link: head } })).status).toBe(422);
    // Trash and its end follow the collection.
    await api(service, `collections/${uuid}`, { method: 'DELETE', token: ann.token });
    expect((await read(ann.token)).status).toBe(404);
    await api(service, `collections/${uuid}/untrash`, { method: 'POST', body: {}, token: ann.token });
    expect((await read(ann.token)).status).toBe(200);
  });

  test('restoring brings back files, name and properties, and keeps the state before', async () => {
    await using cli = await cliFor(service, 'dora');
    const { token } = cli;
    const manifest_text = `. ${sign(FOO.locator, { token })} 0:3:one\n`;
    const { uuid } = (await api(service, 'collections', { token, body: { collection: { manifest_text } } })).json;
    await patch(uuid, { collection: { name: 'first name', properties: { n: 1 } } }, token);
    await patch(uuid, { collection: { manifest_text: '', name: 'second name', properties: { n: 2 } } }, token);
    const past = (await versionsOf(uuid)).find(({ name }) => name === 'first name');
    expect(await cli.ok('restore-version', past.uuid)).toBe(`${uuid} is what version 2 was.`);
    const now = await settle(uuid);
    expect([now.name, now.properties, now.version, now.file_count]).toEqual(['first name', { n: 1 }, 4, 1]);
    const names = (await versionsOf(uuid)).map(({ name }) => name);
    expect(names).toEqual([expect.any(String), 'first name', 'second name', 'first name']);
    const lines: string[] = (await cli.ok('versions', past.uuid, '--json')).split('\n');
    expect(lines.map((each) => JSON.parse(each).version)).toEqual([4, 3, 2, 1]);
    const refused = await api(service, `collections/${uuid}/restore_version`, { method: 'POST', body: {} });
    expect(refused.status).toBe(422);
    // The token must be good for the collection itself as well.
    const scoped = await createToken(service, (await api(service, 'users/current', { token })).json.uuid, {
      scopes: [`GET /arvados/v1/collections/`, `POST /arvados/v1/collections/${past.uuid}/restore_version`],
    });
    const narrow = await api(service, `collections/${past.uuid}/restore_version`, {
      method: 'POST',
      body: {},
      token: scoped,
    });
    expect(narrow.status).toBe(403);
  });

  test('WebDAV properties come back with the version they belong to', async () => {
    const { uuid } = await createCollection(service, text('one'));
    const set = (value: string) =>
      request(`${service.url}/c=${uuid}/one`, {
        method: 'PROPPATCH',
        body: `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><k xmlns="x:">${value}</k></D:prop></D:set></D:propertyupdate>`,
      });
    const shown = async () =>
      (await request(`${service.url}/c=${uuid}/one`, { method: 'PROPFIND', headers: { depth: '0' } })).text;
    expect((await set('before')).status).toBe(207);
    await patch(uuid, { replace_files: { '/two': 'current/one' } });
    expect((await set('after')).status).toBe(207);
    expect(await shown()).toContain('after');
    const [past] = await versionsOf(uuid);
    await api(service, `collections/${past.uuid}/restore_version`, { method: 'POST', body: {} });
    expect(await shown()).toContain('before');
    expect(await shown()).not.toContain('after');
  });

  test('erasing a collection takes its versions at once', async () => {
    const { uuid } = await createCollection(service, text('one'));
    await patch(uuid, { replace_files: { '/two': 'current/one' } });
    const [past] = await versionsOf(uuid);
    const erased = await request(`${service.url}/keep-edge/v1/collections/${uuid}`, { method: 'DELETE' });
    expect(erased.status).toBe(200);
    expect((await api(service, `collections/${past.uuid}`)).status).toBe(404);
    expect(await versionsOf(uuid)).toEqual([]);
  });
});
