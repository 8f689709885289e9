import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createToken, createUser, type Json } from '../support/api.ts';
import { createCollection, stored } from '../support/collections.ts';
import { bearer, blockOf, request, sign } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

/** Changes of a collection's files through its Durable Object, as clients of the Arvados API make them. */

let service: TestService;
const FOO = blockOf('foo');
const BAR = blockOf('barbar');

beforeAll(async () => {
  service = await startService();
  await stored(service, FOO, BAR);
});
afterAll(() => service.stop());

const line = (...names: string[]) => `. ${FOO.locator}${names.map((name) => ` 0:3:${name}`).join('')}\n`;
const unsigned = (text: string) => text.replace(/\+A[0-9a-f]+@[0-9a-f]+/g, '');

async function replace(uuid: string, replace_files: Json, extra: Json = {}, token?: string) {
  return api(service, `collections/${uuid}`, {
    method: 'PATCH',
    body: { replace_files, ...extra },
    ...(token === undefined ? {} : { token }),
  });
}

async function textOf(uuid: string): Promise<string> {
  const { json } = await api(service, `collections/${uuid}`);
  return unsigned(json.manifest_text);
}

describe('writers at the same time', () => {
  test('64 that write different files all survive, in eight rounds, and each sees its own file at once', async () => {
    const { uuid } = await createCollection(service, '');
    const signed = sign(FOO.locator);
    for (let round = 0; round < 8; round++) {
      await Promise.all(
        Array.from({ length: 64 }, async (_, i) => {
          const name = `round-${round}-file-${i}`;
          const { status, json } = await replace(
            uuid,
            { [`/${name}`]: 'manifest_text/f' },
            { collection: { manifest_text: `. ${signed} 0:3:f\n` } },
          );
          expect(status, JSON.stringify(json)).toBe(200);
          const read = await request(`${service.url}/c=${uuid}/${name}`);
          expect([read.status, read.text]).toEqual([200, 'foo']);
        }),
      );
    }
    const { json } = await api(service, `collections/${uuid}`);
    expect(json.file_count).toBe(8 * 64);
    // What waits together is one revision.
    expect(Number(json.etag)).toBeLessThan(8 * 64);
  });

  test('64 readers at once see what was acknowledged before they asked, while others break off', async () => {
    const { uuid } = await createCollection(service, '');
    const url = `${service.url}/c=${uuid}/file`;
    const contents = ['foo', 'barbar'];
    for (let round = 0; round < 12; round++) {
      const content = contents[round % 2] ?? '';
      expect((await request(url, { method: 'PUT', body: content })).status).toBe(round === 0 ? 201 : 204);
      const gone = new AbortController();
      const leaving = Array.from({ length: 32 }, () =>
        fetch(url, { headers: bearer(service.rootToken), signal: gone.signal }).then(
          (answer) => answer.text(),
          () => '',
        ),
      );
      const staying = Array.from({ length: 64 }, () => request(url));
      await setTimeout(round);
      gone.abort();
      for (const { status, text } of await Promise.all(staying)) expect([status, text]).toEqual([200, content]);
      await Promise.allSettled(leaving);
    }
    // Who may not read it any more is told so by the next answer.
    expect((await api(service, `collections/${uuid}`, { method: 'DELETE' })).status).toBe(200);
    const refused = await Promise.all(Array.from({ length: 64 }, () => request(url)));
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([404]));
  });

  test('20 that change properties, and 20 that write files, all get 200', async () => {
    const { uuid } = await createCollection(service, line('first'));
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        i % 2 === 0
          ? api(service, `collections/${uuid}`, { method: 'PATCH', body: { collection: { properties: { n: i } } } })
          : replace(uuid, { [`/copy-${i}`]: 'current/first' }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200));
    expect((await api(service, `collections/${uuid}`)).json.file_count).toBe(21);
  });
});

test('without COLLECTION_VERSIONING no version is kept but of what preserve_version asks for, once', async () => {
  const { uuid } = await createCollection(service, line('first'));
  const patch = (collection: Json) => api(service, `collections/${uuid}`, { method: 'PATCH', body: { collection } });
  const versions = async () =>
    (
      await api(service, 'collections', {
        query: { include_old_versions: true, filters: [['current_version_uuid', '=', uuid]], order: 'version' },
      })
    ).json.items.map(({ version, description, preserve_version }: Json) => [version, description, preserve_version]);
  await patch({ description: 'a' });
  await patch({ preserve_version: true });
  expect(await versions()).toEqual([[1, 'a', true]]);
  // A change that is no new version leaves the wish alone.
  await patch({ replication_desired: 2 });
  await patch({ description: 'b' });
  await patch({ description: 'c' });
  expect(await versions()).toEqual([
    [1, 'a', true],
    [2, 'c', false],
  ]);
});

describe('replace_segments', () => {
  test('puts segments of other blocks in the place of some, after replace_files, for callers who may save those blocks', async () => {
    const packed = blockOf('foobarbar');
    await stored(service, packed);
    const { uuid } = await createCollection(service, `. ${FOO.locator} ${BAR.locator} 0:3:a 3:6:b\n`);
    const segments = (to: string) => ({
      [`${FOO.locator} 0 3`]: `${to} 0 3`,
      [`${sign(BAR.locator)} 0 6`]: `${to} 3 6`,
    });
    const change = (body: Json, token?: string) =>
      api(service, `collections/${uuid}`, { method: 'PATCH', body, ...(token === undefined ? {} : { token }) });
    const ann = await createUser(service, 'packer');
    await api(service, 'links', {
      body: { link: { link_class: 'permission', name: 'can_write', tail_uuid: ann.uuid, head_uuid: uuid } },
    });
    expect((await change({ replace_segments: segments(packed.locator) }, ann.token)).status).toBe(403);
    expect((await change({ replace_segments: { [`${FOO.locator} 0 3`]: `${packed.locator} 8 3` } })).status).toBe(400);
    expect(await textOf(uuid)).toBe(`. ${FOO.locator} ${BAR.locator} 0:3:a 3:6:b\n`);
    const signed = sign(packed.locator, { token: ann.token });
    const done = await change({ replace_segments: segments(signed), replace_files: { '/c': 'current/a' } }, ann.token);
    expect(done.status, JSON.stringify(done.json)).toBe(200);
    expect(await textOf(uuid)).toBe(`. ${packed.locator} 0:3:a 3:6:b 0:3:c\n`);
    // Another time nothing is there to replace, which is no error.
    const { json } = await api(service, `collections/${uuid}`);
    expect((await change({ replace_segments: segments(signed) }, ann.token)).status).toBe(200);
    expect((await api(service, `collections/${uuid}`)).json.portable_data_hash).toBe(json.portable_data_hash);
    const document = await request(`${service.url}/discovery/v1/apis/arvados/v1/rest`, { token: null });
    expect(JSON.parse(document.text).resources.collections.methods.update.parameters).toHaveProperty(
      'replace_segments',
    );
  });
});

describe('what the real keep-web sends', () => {
  test('an empty manifest_text along with deletes, moves and copies counts as none', async () => {
    const { uuid } = await createCollection(service, line('a', 'b'));
    const extra = { collection: { manifest_text: '' } };
    expect((await replace(uuid, { '/a': '' }, extra)).status).toBe(200);
    expect(await textOf(uuid)).toBe(line('b'));
    expect((await replace(uuid, { '/c': 'current/b', '/b': '' }, extra)).status).toBe(200);
    expect(await textOf(uuid)).toBe(line('c'));
    expect((await replace(uuid, { '/d': 'current/c' }, extra)).status).toBe(200);
    expect(await textOf(uuid)).toBe(line('c', 'd'));
  });

  test('its requests for PUT, MKCOL, MOVE, COPY and DELETE, as the Go client writes them into a form', async () => {
    const { uuid } = await createCollection(service, line('first'));
    const send = async (manifest_text: string, replace_files: Json) => {
      const form = new URLSearchParams({
        collection: JSON.stringify({ manifest_text }),
        replace_files: JSON.stringify(replace_files),
        select: JSON.stringify(['uuid']),
      });
      const answer = await request(`${service.url}/arvados/v1/collections/${uuid}`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
        body: form.toString(),
      });
      return [answer.status, JSON.parse(answer.text).uuid];
    };
    const ok = [200, uuid];
    expect(await send(`. ${sign(FOO.locator)} 0:3:file\n`, { '/put': 'manifest_text/file' })).toEqual(ok);
    expect(await send('', { '/dir': 'manifest_text/' })).toEqual(ok);
    expect(await send('', { '/dir/moved': 'current/put', '/put': '' })).toEqual(ok);
    expect(await send('', { '/copy': 'current/dir' })).toEqual(ok);
    expect(await send('', { '/bare': 'manifest_text/' })).toEqual(ok);
    expect(await send('', { '/dir': '' })).toEqual(ok);
    expect(await textOf(uuid)).toBe(
      `${line('first')}./bare d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n./copy ${FOO.locator} 0:3:moved\n`,
    );
  });

  test('manifest_text/ without a text makes an empty directory', async () => {
    const { uuid } = await createCollection(service, line('a'));
    const extra = { collection: { manifest_text: '' } };
    expect((await replace(uuid, { '/new': 'manifest_text/' }, extra)).status).toBe(200);
    expect(await textOf(uuid)).toBe(`${line('a')}./new d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n`);
  });
});

describe('permission is judged when a change commits', () => {
  test('sources are reads that the token’s scopes must allow', async () => {
    const user = await createUser(service, 'scoped');
    const source = await api(service, 'collections', { token: user.token, body: { collection: {} } });
    const made = await createCollection(service, line('secret'), { owner_uuid: user.uuid });
    const token = await createToken(service, user.uuid, {
      scopes: [`GET /arvados/v1/collections/${source.json.uuid}`, `PATCH /arvados/v1/collections/${source.json.uuid}`],
    });
    const refused = await replace(source.json.uuid, { '/x': `${made.portable_data_hash}/secret` }, {}, token);
    expect(refused.status).toBe(403);
    expect(
      (await replace(source.json.uuid, { '/x': `${made.portable_data_hash}/secret` }, {}, user.token)).status,
    ).toBe(200);
  });

  test('a collection of another user, and one in the trash, are not there', async () => {
    const [owner, other] = [await createUser(service, 'owner-c'), await createUser(service, 'other-c')];
    const { uuid } = await createCollection(service, line('a'), { owner_uuid: owner.uuid });
    expect((await replace(uuid, { '/a': '' }, {}, other.token)).status).toBe(404);
    expect((await api(service, `collections/${uuid}`, { method: 'DELETE', token: owner.token })).status).toBe(200);
    expect((await replace(uuid, { '/a': '' }, {}, owner.token)).status).toBe(404);
  });
});

test('200,000 files take one more in bounded time, and keep the lines that do not change', async () => {
  const files = Array.from({ length: 200_000 }, (_, i) => ` 0:3:file-number-${i}`).join('');
  const { uuid } = await createCollection(service, `. ${FOO.locator}${files}\n./d ${FOO.locator} 0:3:x\n`);
  expect((await replace(uuid, { '/d/y': 'current/d/x' })).status).toBe(200);
  expect((await replace(uuid, { '/file-number-77777': '' })).status).toBe(200);
  const { json } = await api(service, `collections/${uuid}`, { query: { select: ['file_count'] } });
  expect(json.file_count).toBe(200_001);
  expect((await request(`${service.url}/c=${uuid}/file-number-77777`)).status).toBe(404);
  expect((await request(`${service.url}/c=${uuid}/file-number-77778`)).text).toBe('foo');
});

test('every revision is in the bucket before it is acknowledged, and goes when its signatures have expired', async () => {
  await using short = await startService({
    vars: { BLOB_SIGNING_TTL: '5s', DEFAULT_TRASH_LIFETIME: '1s', BACKUP_LIFETIME: '1s' },
  });
  const made = await api(short, 'collections', { body: { collection: { name: 'kept' } } });
  const { uuid } = made.json;
  const backups = () => short.r2('MANIFESTS').list(`backups/collections/${uuid}/`);
  for (let i = 0; i < 3; i++) {
    await api(short, `collections/${uuid}`, { method: 'PATCH', body: { collection: { description: `${i}` } } });
    expect(await backups()).toHaveLength(i + 2);
  }
  const [newest] = (await backups()).reverse();
  const text = new TextDecoder().decode((await short.r2('MANIFESTS').get(newest ?? '')) ?? new Uint8Array());
  expect(JSON.parse(text.split('\n')[0] ?? '')).toMatchObject({
    format: 1,
    uuid,
    revision: 4,
    record: { description: '2' },
  });
  for (let left = 4; left > 1; left = (await backups()).length) await setTimeout(200);
  expect(await backups()).toEqual([newest]);

  await api(short, `collections/${uuid}`, { method: 'DELETE' });
  await setTimeout(6500);
  await short.scheduled();
  for (let left = 2; left > 0; left = (await backups()).length) await setTimeout(200);
});

test('an erased collection leaves no record, text, backup, metadata or link, and nothing else is touched', async () => {
  const owner = await createUser(service, 'eraser');
  const objects = () => service.r2('MANIFESTS').list();
  const before = new Set(await objects());
  const files = Array.from({ length: 60_000 }, (_, i) => ` 0:3:file-number-${i}`).join('');
  const { uuid } = await createCollection(service, `. ${FOO.locator}${files}\n`, { owner_uuid: owner.uuid });
  expect((await replace(uuid, { '/file-number-1': '' })).status).toBe(200);
  expect((await objects()).filter((key) => !before.has(key)).length).toBeGreaterThan(2);
  const erase = (token?: string) =>
    request(`${service.url}/keep-edge/v1/collections/${uuid}`, {
      method: 'DELETE',
      ...(token === undefined ? {} : { token }),
    });
  expect((await erase(owner.token)).status).toBe(403);
  expect((await erase()).status).toBe(200);
  expect((await api(service, `collections/${uuid}`, { query: { include_trash: true } })).status).toBe(404);
  expect((await replace(uuid, { '/x': '' })).status).toBe(404);
  expect((await objects()).filter((key) => !before.has(key))).toEqual([]);
  expect((await objects()).length).toBe(before.size);
  expect((await erase()).status).toBe(404);
});
