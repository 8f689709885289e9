import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiOptions, api, createUser, type Json, type TestUser } from '../support/api.ts';
import { blockOf, md5, putBlock, request, sign } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

let service: TestService;
let user: TestUser;
let foo: string;
const FOO = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
const UNSIGN = /\+A[0-9a-f]{40}@[0-9a-f]{8}/g;

beforeAll(async () => {
  service = await startService();
  user = await createUser(service, 'owner');
  foo = sign(FOO, { token: user.token });
  await putBlock(service.url, blockOf('foo'));
});
afterAll(() => service.stop());

const call = (path: string, options: ApiOptions = {}) => api(service, path, { token: user.token, ...options });
const create = async (collection: Json, query = {}) => {
  const made = await call('collections', { body: { collection }, query });
  expect(made.status, JSON.stringify(made.json)).toBe(200);
  return made.json;
};
const list = async (query: Json) => (await call('collections', { query })).json;
const uuids = (answer: Json) => answer.items.map((item: Json) => item.uuid);
const pdh = (text: string) => `${md5(text)}+${new TextEncoder().encode(text).length}`;

describe('manifests', () => {
  test('come back as they went in, signed for the reading token, with the portable data hash of their text', async () => {
    const text = `. ${FOO} 0:3:a\\040b 0:3:ü\n`;
    const made = await create({ name: 'one', manifest_text: text.replace(FOO, foo) });
    expect(made.portable_data_hash).toBe(pdh(text));
    expect(made).toMatchObject({
      file_count: 2,
      file_size_total: 6,
      owner_uuid: user.uuid,
      trash_at: null,
      is_trashed: false,
    });
    const found = (await call(`collections/${made.uuid}`)).json;
    expect(found.manifest_text.replace(UNSIGN, '')).toBe(text);
    const signed = found.manifest_text.split(' ')[1];
    expect((await request(`${service.url}/${signed}`, { token: user.token })).text).toBe('foo');
    expect((await request(`${service.url}/${signed}`)).status, 'with another token').toBe(400);
    const asRoot = (await api(service, `collections/${made.uuid}`)).json.manifest_text.split(' ')[1];
    expect((await request(`${service.url}/${asRoot}`)).text).toBe('foo');
  });

  test.each([
    ['no signature', () => FOO, 403],
    ['a signature for another token', () => sign(FOO, { token: 'other' }), 403],
    ['a signature with another key', () => sign(FOO, { token: user.token, key: 'k' }), 403],
    ['an expired signature', () => sign(FOO, { token: user.token, expiry: 1_000_000_000 }), 403],
    ['the empty block, which everyone has', () => 'd41d8cd98f00b204e9800998ecf8427e+0', 200],
    ['a good signature', () => foo, 200],
  ])('with %s', async (_, locator, status) => {
    const made = await call('collections', { body: { manifest_text: `. ${locator()} 0:0:x\n` } });
    expect(made.status).toBe(status);
  });

  test('of an admin are taken without signatures', async () => {
    const made = await api(service, 'collections', { body: { collection: { manifest_text: `. ${FOO} 0:3:x\n` } } });
    expect(made.status).toBe(200);
  });

  test.each([
    ['no newline at the end', `. ${FOO} 0:3:x`],
    ['a stream without files', `. ${FOO}\n`],
    ['a stream without blocks', '. 0:0:x\n'],
    ['a path that climbs', `. ${FOO} 0:3:../x\n`],
    ['a blank line', `. ${FOO} 0:3:x\n\n`],
  ])('with %s are refused', async (_, text) => {
    const made = await api(service, 'collections', { body: { collection: { manifest_text: text } } });
    expect(made.status).toBe(422);
    expect(made.json.errors).toHaveLength(1);
  });

  test('must have the portable data hash that the client says they have', async () => {
    const text = `. ${FOO} 0:3:x\n`;
    const body = (hash: string) => ({
      body: { collection: { manifest_text: text.replace(FOO, foo), portable_data_hash: hash } },
    });
    expect((await call('collections', body(pdh(text)))).status).toBe(200);
    expect((await call('collections', body(pdh('another')))).status).toBe(422);
  });

  test('arrive unwrapped, wrapped, in a form, with escapes: all the same', async () => {
    const text = `. ${foo} 0:3:ü\\040😀\n`;
    const ascii = JSON.stringify({ manifest_text: text }).replace(
      /[^ -~]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const answers = await Promise.all([
      call('collections', { body: { manifest_text: text } }),
      call('collections', { body: { collection: { manifest_text: text } } }),
      call('collections', { body: ascii }),
      call('collections', {
        ...form,
        body: `collection=${encodeURIComponent(JSON.stringify({ manifest_text: text }))}&select=${encodeURIComponent('["portable_data_hash"]')}`,
      }),
      call('collections', { body: { collection: JSON.stringify({ manifest_text: text }) } }),
    ]);
    const expected = pdh(text.replace(UNSIGN, ''));
    expect(answers.map(({ json }) => json.portable_data_hash)).toEqual(answers.map(() => expected));
    expect(answers[3]?.json).toEqual({ kind: 'arvados#collection', etag: '1', portable_data_hash: expected });
  });

  test('too large for a row are stored in the bucket, and deleted with their collection', async () => {
    const files = Array.from({ length: 60_000 }, (_, i) => ` 0:3:directory/file-number-${i}`).join('');
    const text = `. ${FOO}${files}\n`;
    const made = await create({ manifest_text: text.replace(FOO, foo) });
    expect(made.portable_data_hash).toBe(pdh(text));
    expect(made.manifest_text.replace(UNSIGN, '')).toBe(text);
    expect(await service.r2('MANIFESTS').list('manifests/')).toHaveLength(1);
    const changed = await call(`collections/${made.uuid}`, {
      method: 'PATCH',
      body: { manifest_text: text.replace(FOO, foo).replace('file-number-7', 'x') },
    });
    expect(changed.json.file_count).toBe(60_000);
    // The text before it can be restored for a while.
    expect(await service.r2('MANIFESTS').list('manifests/')).toHaveLength(2);
    const bad = await call(`collections/${made.uuid}`, {
      method: 'PATCH',
      body: { manifest_text: `${text.replace(FOO, foo)}bad` },
    });
    expect(bad.status).toBe(422);
    expect(
      (
        await call(`collections/${made.uuid}`, {
          method: 'PATCH',
          body: { manifest_text: text.replace(FOO, foo), name: '..' },
        })
      ).status,
    ).toBe(422);
    expect(await service.r2('MANIFESTS').list('manifests/')).toHaveLength(2);
    expect(
      (await call(`collections/${made.uuid}`, { method: 'PATCH', body: { manifest_text: '' } })).json.manifest_text,
    ).toBe('');
    expect(await service.r2('MANIFESTS').list('manifests/')).toHaveLength(2);
  });
});

test('a reader never sees a text with the hash of another, while it is replaced over and over', async () => {
  const text = (name: string) =>
    `. ${foo}${Array.from({ length: 60_000 }, (_, i) => ` 0:3:directory/${name}-${i}`).join('')}\n`;
  const texts = [text('one'), text('two'), `. ${foo} 0:3:small\n`];
  const made = await create({ manifest_text: texts[0] });
  const path = `collections/${made.uuid}`;
  let writing = true;
  const write = async () => {
    for (let i = 1; i <= 12; i++) {
      expect((await call(path, { method: 'PATCH', body: { manifest_text: texts[i % 3] } })).status).toBe(200);
    }
    writing = false;
  };
  const read = async () => {
    while (writing) {
      const { status, json } = await call(path);
      expect(status).toBe(200);
      expect(pdh(json.manifest_text.replace(UNSIGN, ''))).toBe(json.portable_data_hash);
    }
  };
  await Promise.all([write(), read(), read()]);
  await call(path, { method: 'PATCH', body: { manifest_text: '' } });
});

describe('records', () => {
  test('are found by the names of their files, which no record shows', async () => {
    const made = await create({ manifest_text: `./run-7 ${foo} 0:3:sample-x17.bam\n` });
    const find = (pattern: string) =>
      call('collections', { query: { filters: [['file_names', 'ilike', pattern]], select: ['uuid', 'file_names'] } });
    expect((await find('%run-7/SAMPLE-x17%')).json.items).toMatchObject([{ uuid: made.uuid }]);
    expect((await find('%sample-x17%')).json.items[0]).not.toHaveProperty('file_names');
    expect((await find('%sample-x18%')).json.items).toEqual([]);
    expect(made).not.toHaveProperty('file_names');
  });

  test('are found by portable data hash, hints ignored, by those who may read them', async () => {
    const made = await create({ manifest_text: `. ${foo} 0:3:by-pdh\n` });
    const found = await call(`collections/${encodeURIComponent(`${made.portable_data_hash}+K@xedge`)}`);
    expect(found.json).toMatchObject({ uuid: made.portable_data_hash, portable_data_hash: made.portable_data_hash });
    expect(found.json.manifest_text).toContain('by-pdh');
    const stranger = await createUser(service, 'stranger-pdh');
    expect((await call(`collections/${made.portable_data_hash}`, { token: stranger.token })).status).toBe(404);
    expect((await call('collections/acbd18db')).status).toBe(404);
  });

  test('have names of their own within their owner', async () => {
    await create({ name: 'taken' });
    const again = await call('collections', { body: { collection: { name: 'taken' } } });
    expect(again.status).toBe(422);
    expect(again.json.errors[0]).toMatch(/already been taken.*UniqueViolation.*duplicate key/);
    const unique = await create({ name: 'taken' }, { ensure_unique_name: true });
    expect(unique.name).toBe(`taken (${unique.uuid.slice(12)})`);
    expect(
      (await call('collections', { body: { collection: { name: 'taken' } }, query: { ensure_unique_name: false } }))
        .status,
    ).toBe(422);
    const [a, b] = [await create({ name: '' }), await create({ name: '' })];
    expect(a.name).toBe('');
    expect(a.uuid).not.toBe(b.uuid);
    for (const name of ['.', '..', 'a/b', 'x'.repeat(256)]) {
      expect((await call('collections', { body: { collection: { name } } })).status, name).toBe(422);
    }
  });

  test('change only what is given; attributes that clients cannot set stay', async () => {
    const made = await create({
      name: 'before',
      description: 'd',
      properties: { a: 1 },
      manifest_text: `. ${foo} 0:3:x\n`,
    });
    const changed = await call(`collections/${made.uuid}`, {
      method: 'PUT',
      body: { collection: { properties: { b: [2] }, uuid: 'x', created_at: '2001-01-01T00:00:00Z', file_count: 9 } },
    });
    expect(changed.json).toMatchObject({
      uuid: made.uuid,
      name: 'before',
      description: 'd',
      properties: { b: [2] },
      created_at: made.created_at,
      file_count: 1,
    });
    expect(changed.json.modified_at >= made.modified_at).toBe(true);
    expect(changed.json.portable_data_hash).toBe(made.portable_data_hash);
  });

  test('go to the trash and come back', async () => {
    const made = await create({ name: 'rubbish', manifest_text: `. ${foo} 0:3:x\n` });
    const trashed = await call(`collections/${made.uuid}`, { method: 'DELETE' });
    expect(trashed.json).toMatchObject({ uuid: made.uuid, is_trashed: true });
    expect(trashed.json.manifest_text, 'not signed').toBe(`. ${FOO} 0:3:x\n`);
    expect((await call(`collections/${made.uuid}`)).status).toBe(404);
    expect((await call(`collections/${made.uuid}`, { query: { include_trash: true } })).status).toBe(200);
    expect(uuids(await list({ filters: [['uuid', '=', made.uuid]] }))).toEqual([]);
    expect(
      uuids(
        await list({
          filters: [
            ['uuid', '=', made.uuid],
            ['is_trashed', '=', true],
          ],
          include_trash: true,
        }),
      ),
    ).toEqual([made.uuid]);
    await create({ name: 'rubbish' });
    expect((await call(`collections/${made.uuid}/untrash`, { method: 'POST' })).status, 'its name is taken').toBe(422);
    const back = await call(`collections/${made.uuid}/untrash`, {
      method: 'POST',
      query: { ensure_unique_name: true },
    });
    expect(back.json).toMatchObject({ is_trashed: false, trash_at: null, name: `rubbish (${made.uuid.slice(12)})` });
    expect((await call(`collections/${made.uuid}/untrash`, { method: 'POST' })).status).toBe(422);
  });

  test('whose trash time is in the last of all years are neither trashed nor deleted', async () => {
    const { uuid } = await create({ trash_at: '9999-12-31' });
    await service.scheduled();
    const found = await call(`collections/${uuid}`);
    expect(found.json).toMatchObject({
      trash_at: '9999-12-31T00:00:00.000000000Z',
      delete_at: '9999-12-31T23:59:59.999000000Z',
      is_trashed: false,
    });
    const project = await call('groups', {
      body: { group: { group_class: 'project', name: 'last year', trash_at: '9999-12-31T23:59:59Z' } },
    });
    expect(project.json).toMatchObject({ delete_at: '9999-12-31T23:59:59.999000000Z', is_trashed: false });
  });

  test.each([
    ['collections', { trash_at: '9999-12-31T23:59:59-01:00' }],
    ['collections', { trash_at: '2030-01-01', delete_at: '9999-12-31T23:59:59-23:00' }],
    ['collections', { trash_at: '0000-01-01T00:00:00+01:00' }],
    ['collections', { trash_at: '2030-02-30' }],
    ['groups', { group_class: 'project', trash_at: '9999-12-31T23:59:59-01:00' }],
    ['api_client_authorizations', { expires_at: '0000-01-01T00:00:00+01:00' }],
    ['api_client_authorizations', { expires_at: '9999-12-31T23:59:59-01:00' }],
  ])('of %s with times outside the years 1 to 9999 are refused: %j', async (path, attributes) => {
    const name = path === 'groups' ? 'group' : path.slice(0, -1);
    expect((await call(path, { body: { [name]: attributes } })).status).toBe(422);
  });

  test('with a trash time give out signatures that end with them', async () => {
    const trashAt = new Date(Date.now() + 3600_000).toISOString();
    const made = await create({ manifest_text: `. ${foo} 0:3:x\n`, trash_at: trashAt });
    const expiry = Number.parseInt(/@([0-9a-f]{8}) /.exec(made.manifest_text)?.[1] ?? '', 16);
    expect(expiry).toBe(Math.floor(Date.parse(trashAt) / 1000));
    expect(made.is_trashed).toBe(false);
  });

  test('of others cannot be read, changed or deleted', async () => {
    const made = await create({ name: 'private' });
    const { token } = await createUser(service, 'stranger');
    expect((await call(`collections/${made.uuid}`, { token })).status).toBe(404);
    expect((await call(`collections/${made.uuid}`, { token, method: 'PUT', body: { name: 'x' } })).status).toBe(404);
    expect((await call(`collections/${made.uuid}`, { token, method: 'DELETE' })).status).toBe(404);
    expect((await call('collections', { token })).json.items).toEqual([]);
    expect((await call('collections', { token, body: { collection: { owner_uuid: user.uuid } } })).status).toBe(422);
    expect(
      (await call('collections', { token, body: { collection: { owner_uuid: 'xedge-j7d0g-000000000000000' } } }))
        .status,
    ).toBe(422);
  });
});

describe('lists', () => {
  let three: Json[];
  beforeAll(async () => {
    three = [];
    for (const [index, name] of ['list-a', 'list-B', 'list-c'].entries()) {
      three.push(
        await create({
          name,
          properties: { n: index, tags: ['all', name], kind: index === 1 ? 'odd' : 'even' },
          replication_desired: index === 0 ? null : index,
          manifest_text: `. ${foo} 0:3:${name}\n`,
        }),
      );
    }
  });
  const found = async (...filters: Json[]) => {
    const answer = await list({ filters: [['name', 'like', 'list-%'], ...filters], order: 'name', count: 'none' });
    return answer.items.map((item: Json) => item.name);
  };

  test.each([
    [['name', '=', 'list-B'], ['list-B']],
    [
      ['name', '!=', 'list-B'],
      ['list-a', 'list-c'],
    ],
    [
      ['name', 'in', ['list-a', 'list-c', 'nothing']],
      ['list-a', 'list-c'],
    ],
    [
      ['name', 'not in', ['list-a']],
      ['list-B', 'list-c'],
    ],
    [['name', 'like', '%t-b'], []],
    [['name', 'ilike', '%T-b'], ['list-B']],
    [['name', 'like', 'l_st%-a'], ['list-a']],
    [['name', '>', 'list-a'], ['list-c']],
    [['replication_desired', '=', null], ['list-a']],
    [['replication_desired', '>=', 2], ['list-c']],
    [
      ['replication_desired', 'in', [null, 1]],
      ['list-B', 'list-a'],
    ],
    [
      ['replication_desired', '!=', 1],
      ['list-a', 'list-c'],
    ],
    [['properties.n', '=', 1], ['list-B']],
    [
      ['properties.n', '<', 2],
      ['list-B', 'list-a'],
    ],
    [['properties.kind', 'in', ['odd']], ['list-B']],
    [
      ['properties.kind', '!=', 'odd'],
      ['list-a', 'list-c'],
    ],
    [
      ['properties.missing', '!=', 'x'],
      ['list-B', 'list-a', 'list-c'],
    ],
    [['properties.tags', 'contains', 'list-c'], ['list-c']],
    [
      ['properties', 'exists', 'tags'],
      ['list-B', 'list-a', 'list-c'],
    ],
    [['properties.tags', 'exists', false], []],
    [['any', 'ilike', '%IST-C%'], ['list-c']],
    [
      ['uuid', 'is_a', 'arvados#collection'],
      ['list-B', 'list-a', 'list-c'],
    ],
    [['uuid', 'is_a', ['arvados#group']], []],
    [
      ['modified_at', '>', '2020-01-01'],
      ['list-B', 'list-a', 'list-c'],
    ],
    [
      ['storage_classes_desired', 'contains', 'default'],
      ['list-B', 'list-a', 'list-c'],
    ],
    ['(replication_desired < file_size_total)', ['list-B', 'list-c']],
  ])('filter by %j', async (filter, names) => {
    expect(await found(filter)).toEqual(names);
  });

  test('come in order, in pages, with a count unless none is asked for', async () => {
    const filters = [['name', 'like', 'list-%']];
    const page = await list({ filters, order: ['name desc'], limit: 2, offset: 1 });
    expect(page).toMatchObject({ kind: 'arvados#collectionList', items_available: 3, limit: 2, offset: 1 });
    expect(page.items.map((item: Json) => item.name)).toEqual(['list-a', 'list-B']);
    expect(page.items[0]).not.toHaveProperty('manifest_text');
    expect(await list({ filters, count: 'none', limit: 0 })).not.toHaveProperty('items_available');
    expect(uuids(await list({ filters, order: 'modified_at asc, uuid' }))).toEqual(three.map(({ uuid }) => uuid));
  });

  test('with manifests end a page also by descriptions and properties, which are in memory as long as it is read', async () => {
    const long = 'x'.repeat(190_000);
    for (let i = 0; i < 16; i++)
      await create({ name: `long ${i}`, manifest_text: `. ${foo} 0:3:f\n`, description: long, properties: { long } });
    const filters = [['name', 'like', 'long %']];
    for (const more of [{}, { include_old_versions: true }]) {
      const seen: string[] = [];
      let pages = 0;
      for (; seen.length < 16; pages++) {
        const query = {
          filters,
          order: 'name',
          limit: 1000,
          offset: seen.length,
          select: ['uuid', 'manifest_text'],
          ...more,
        };
        const page = await list(query);
        expect(page.items.length).toBeGreaterThan(0);
        expect(page.items.length).toBeLessThanOrEqual(11);
        if (seen.length + page.items.length < 16) expect(page.limit).toBe(page.items.length);
        seen.push(...uuids(page));
      }
      expect([new Set(seen).size, pages]).toEqual([16, 2]);
    }
    const newest = await list({ filters, limit: 1000, select: ['uuid', 'manifest_text'] });
    expect(newest.items.length).toBeLessThanOrEqual(11);
  });

  test('show what is selected, the manifest too', async () => {
    const filters = [['uuid', '=', three[0].uuid]];
    expect((await list({ filters, select: ['uuid', 'name'] })).items).toEqual([
      { kind: 'arvados#collection', uuid: three[0].uuid, name: 'list-a' },
    ]);
    const [item] = (await list({ filters, select: ['manifest_text'] })).items;
    expect(item.manifest_text.replace(UNSIGN, '')).toBe(`. ${FOO} 0:3:list-a\n`);
    expect((await call('collections', { query: { select: ['nonsense'] } })).status).toBe(422);
  });

  test.each([
    ['filters', [['uuid; DROP TABLE users', '=', 'x']], 422],
    ['filters', [['uuid', '= 1 OR 1=1 --', 'x']], 422],
    ['filters', [["name') OR 1=1 --", '=', 'x']], 422],
    ['filters', [['manifest_inline', '=', 'x']], 422],
    ['filters', [['manifest_text', 'like', '%']], 422],
    ['filters', [['constructor', '=', 'x']], 422],
    ['filters', [['__proto__', '=', 'x']], 422],
    ['filters', [["properties.a' OR '1'='1", '=', 'x']], 200],
    ['filters', [['properties.a', "= 'x' OR 1=1 --", 'x']], 422],
    ['filters', ['(file_count < (SELECT 1))'], 422],
    ['filters', ['(file_count < name)'], 422],
    ['filters', [['uuid', '=', "x' OR '1'='1"]], 200],
    ['filters', [['uuid', 'in', ["x') OR ('1'='1"]]], 200],
    ['filters', [['name', 'ilike', "%' OR '1'='1"]], 200],
    ['filters', [['uuid', '=', { a: 1 }]], 422],
    ['filters', 'nonsense', 422],
    ['filters', '[[', 400],
    ['order', 'uuid; DROP TABLE users', 200],
    ['order', ['(SELECT secret_sha256 FROM tokens)'], 200],
    ['order', ['manifest_inline desc'], 200],
    ['select', ['uuid, (SELECT secret_sha256 FROM tokens)'], 422],
    ['select', ['secret_sha256'], 422],
    ['select', ['*'], 422],
    ['limit', '1; DROP TABLE users', 422],
    ['offset', '0 UNION SELECT 1', 422],
    ['count', 'exact; --', 422],
  ])('take no SQL through %s: %j', async (name, value, status) => {
    const answer = await call('collections', { query: { [name]: value } });
    expect(answer.status, JSON.stringify(answer.json)).toBe(status);
    if (name === 'filters' && status === 200) expect(answer.json.items).toEqual([]);
    expect(JSON.stringify(answer.json)).not.toMatch(/secret_sha256|SQLITE/);
    expect((await api(service, 'users', { query: { limit: 1 } })).status, 'the tables are still there').toBe(200);
  });
});

describe('replace_files', () => {
  let source: Json;
  beforeAll(async () => {
    source = await create({ manifest_text: `. ${foo} 0:3:a\n./d ${foo} 0:1:x 1:2:y\n` });
  });
  const apply = async (start: string, files: Json, more: Json = {}) => {
    const made = await create({ manifest_text: start.replaceAll(FOO, foo) });
    const answer = await call(`collections/${made.uuid}`, { method: 'PATCH', body: { replace_files: files, ...more } });
    return answer.status === 200 ? answer.json.manifest_text.replace(UNSIGN, '') : answer.status;
  };
  const START = `. ${FOO} 0:3:one 0:3:two\n./sub ${FOO} 0:3:three\n`;

  test('puts, moves, swaps and deletes', async () => {
    const hash = source.portable_data_hash;
    expect(await apply(START, { '/one': '', '/sub/three': '' })).toBe(
      `. ${FOO} 0:3:two\n./sub d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n`,
    );
    expect(await apply(START, { '/moved': 'current/one', '/one': '' })).toBe(
      `. ${FOO} 0:3:moved 0:3:two\n./sub ${FOO} 0:3:three\n`,
    );
    expect(await apply(START, { '/sub': 'current/two', '/two': 'current/sub' })).toBe(
      `. ${FOO} 0:3:one 0:3:sub\n./two ${FOO} 0:3:three\n`,
    );
    expect(await apply('', { '/new/dir': `${hash}/d` })).toBe(`./new/dir ${FOO} 0:1:x 1:2:y\n`);
    expect(await apply(START, { '/': hash })).toBe(`. ${FOO} 0:3:a\n./d ${FOO} 0:1:x 1:2:y\n`);
    expect(await apply(START, { '/': '' })).toBe('');
    expect(await apply(START, { '/sub': '', '/sub/kept': 'current/sub/three' })).toBe(
      `. ${FOO} 0:3:one 0:3:two\n./sub ${FOO} 0:3:kept\n`,
    );
    expect(
      await apply('', { '/up': 'manifest_text/f' }, { collection: { manifest_text: `. ${foo} 0:3:f 0:3:g\n` } }),
    ).toBe(`. ${FOO} 0:3:up\n`);
  });

  test.each([
    [{ relative: '' }],
    [{ '/a/': '' }],
    [{ '/a/../b': '' }],
    [{ '/a//b': '' }],
    [{ '/x': 'current/none' }],
    [{ '/x': 'xedge-4zz18-000000000000000/a' }],
    [{ '/x': '/one' }],
    [{ '/x': 7 }],
    [{ '/x': 'current/one', '/x/y': 'current/two' }],
    [{ '/x': 'manifest_text/f' }],
    [[]],
  ])('refuses %j', async (files) => {
    expect(await apply(START, files)).toBe(400);
  });

  test('with must_be_new replaces nothing, judged when the change commits', async () => {
    const made = await create({ manifest_text: START.replaceAll(FOO, foo) });
    const path = `collections/${made.uuid}`;
    const change = (replace_files: Json) =>
      call(path, { method: 'PATCH', query: { must_be_new: true }, body: { replace_files } });
    expect((await change({ '/moved': 'current/one', '/one': '', '/none': '' })).status).toBe(200);
    for (const taken of ['/two', '/sub', '/sub/three', '/moved', '/']) {
      const { status, json } = await change({ [taken]: 'current/moved' });
      expect([taken, status]).toEqual([taken, 412]);
      expect(json.errors[0]).toContain(`${taken} is there already`);
    }
    const answers = await Promise.all(
      [0, 1, 2, 3].map((i) => change({ '/same': `${source.portable_data_hash}/d/${i % 2 === 0 ? 'x' : 'y'}` })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 412, 412, 412]);
    const body = { collection: { name: 'x' }, must_be_new: true };
    expect((await call(path, { method: 'PATCH', body })).status, 'without replace_files').toBe(400);
  });

  test('with unchanged_from takes away only what is as it is in that content', async () => {
    const made = await create({ manifest_text: START.replaceAll(FOO, foo) });
    const path = `collections/${made.uuid}`;
    const kept = await create({ manifest_text: START.replaceAll(FOO, foo), trash_at: new Date().toISOString() });
    const change = (unchanged_from: string, replace_files: Json) =>
      call(path, { method: 'PATCH', query: { unchanged_from }, body: { replace_files } });
    // Others write other files, a file of that name, a file in that directory.
    await call(path, { method: 'PATCH', body: { replace_files: { '/other': 'current/one' } } });
    for (const _ of ['made', 'repeated'])
      expect((await change(kept.portable_data_hash, { '/one': '' })).status).toBe(200);
    await call(path, { method: 'PATCH', body: { replace_files: { '/two': `${source.portable_data_hash}/d/x` } } });
    expect((await change(kept.portable_data_hash, { '/two': '', '/other': '' })).status).toBe(412);
    await call(path, { method: 'PATCH', body: { replace_files: { '/sub/new': 'current/other' } } });
    expect((await change(kept.portable_data_hash, { '/sub': '' })).status).toBe(412);
    expect((await change(kept.portable_data_hash, { '/sub/three': '' })).status).toBe(200);
    expect((await change(pdh('. unknown'), { '/other': '' })).status, 'content that is not kept').toBe(412);
    expect((await change('x', { '/other': '' })).status).toBe(400);
    const { json } = await call(path);
    expect(json.manifest_text.match(/\d+:\d+:\S+/g)).toEqual(['0:3:other', '0:1:two', '0:3:new']);
    // Once more as it is now.
    expect((await change(json.portable_data_hash, { '/sub': '', '/two': '' })).status).toBe(200);
  });

  test('reads nothing by hash that the asker may not read', async () => {
    const { token } = await createUser(service, 'thief');
    const body = { replace_files: { '/x': `${source.portable_data_hash}/a` } };
    expect((await call('collections', { token, body })).status).toBe(404);
  });

  test('by many writers at once loses no file', async () => {
    const made = await create({});
    const path = `collections/${made.uuid}`;
    const put = (i: number) =>
      call(path, { method: 'PATCH', body: { replace_files: { [`/f${i}`]: `${source.portable_data_hash}/a` } } });
    const answers = await Promise.all([0, 1, 2, 3].map(put));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect((await call(path)).json.file_count).toBe(4);
  });
});

describe('projects', () => {
  test('hold collections, nest, and show their contents', async () => {
    const outer = (await call('groups', { body: { group: { name: 'outer', group_class: 'project' } } })).json;
    const inner = (await call('groups', { body: { group: { name: 'inner', owner_uuid: outer.uuid } } })).json;
    const inside = await create({ name: 'inside', owner_uuid: inner.uuid, manifest_text: `. ${foo} 0:3:x\n` });
    expect((await call(`groups/${outer.uuid}`)).json).toMatchObject({
      kind: 'arvados#group',
      group_class: 'project',
      can_write: true,
    });
    const contents = (await call(`groups/${inner.uuid}/contents`)).json;
    expect(contents.items).toMatchObject([{ kind: 'arvados#collection', uuid: inside.uuid }]);
    expect(contents.items[0]).not.toHaveProperty('manifest_text');
    expect(uuids((await call('groups/contents', { query: { uuid: outer.uuid } })).json)).toEqual([inner.uuid]);
    const onlyGroups = {
      filters: [
        ['uuid', 'is_a', 'arvados#group'],
        ['groups.group_class', 'in', ['project', 'filter']],
      ],
      count: 'none',
    };
    expect(uuids((await call(`groups/${inner.uuid}/contents`, { query: onlyGroups })).json)).toEqual([]);
    expect(
      (await call(`groups/${outer.uuid}`, { method: 'PUT', body: { owner_uuid: inner.uuid } })).json.errors[0],
    ).toContain('ownership cycle');
    const stranger = await createUser(service, 'outsider');
    expect((await call(`groups/${inner.uuid}`, { token: stranger.token })).status).toBe(404);
    expect((await call(`collections/${inside.uuid}`, { token: stranger.token })).status).toBe(404);
    await call(`groups/${outer.uuid}`, { method: 'DELETE' });
    expect((await call(`collections/${inside.uuid}`)).status, 'gone with its project').toBe(404);
    await call(`groups/${outer.uuid}/untrash`, { method: 'POST' });
    expect((await call(`collections/${inside.uuid}`)).status).toBe(200);
    expect((await call(`groups/${user.uuid}`)).status, 'a user is no project').toBe(404);
  });
});

test('logs are stored with user and time', async () => {
  const made = await call('logs', {
    body: { log: { event_type: 'file_download', object_uuid: user.uuid, properties: { reqPath: '/x' } } },
  });
  expect(made.json).toMatchObject({
    kind: 'arvados#log',
    event_type: 'file_download',
    modified_by_user_uuid: user.uuid,
    properties: { reqPath: '/x' },
  });
  const found = await call('logs', {
    query: { filters: [['event_type', '=', 'file_download']], order: 'created_at desc', limit: 1 },
  });
  expect(found.json.items[0]).toMatchObject({ id: made.json.id, uuid: made.json.uuid });
});

describe('answers', () => {
  test('to mistakes have the API’s form', async () => {
    for (const [path, options, status] of [
      ['collections/xedge-4zz18-000000000000000', {}, 404],
      ['nonsense', {}, 404],
      ['collections', { token: null }, 401],
      ['collections', { body: '{"collection": {' }, 400],
      ['collections', { body: '[1]' }, 400],
      ['collections', { body: { collection: { properties: 'x' } } }, 422],
    ] as [string, ApiOptions, number][]) {
      const answer = await call(path, options);
      expect(answer.status, path).toBe(status);
      expect(answer.json.errors[0]).toMatch(/ \(req-[0-9a-z]{20}\)$/);
      expect(answer.json.error_token).toMatch(/^\d+\+[0-9a-f]{8}$/);
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    }
  });

  test('about the service need no token', async () => {
    const discovery = await request(`${service.url}/discovery/v1/apis/arvados/v1/rest`, { token: null });
    const document = JSON.parse(discovery.text);
    expect(document).toMatchObject({
      rootUrl: `${service.url}/`,
      uuidPrefix: 'xedge',
      defaultCollectionReplication: 2,
      keepProxyUrl: `${service.url}/`,
    });
    expect((await call('config', { token: null })).json.ClusterID).toBe('xedge');
    const { items } = (await call('keep_services/accessible', { token: null })).json;
    expect(items).toMatchObject([
      {
        service_type: 'proxy',
        service_port: Number(new URL(service.url).port),
        service_ssl_flag: false,
        read_only: false,
      },
    ]);
    expect(items[0].uuid).toHaveLength(27);
  });
});

test('scripts whose libraries add headers for Ajax, caching and tracing pass the preflight everywhere', async () => {
  const names = ['X-Requested-With', 'Pragma', 'traceparent', 'tracestate', 'baggage', 'sentry-trace'];
  for (const path of ['/arvados/v1/collections', `/${'0'.repeat(32)}+3`, `/c=${'0'.repeat(32)}+3/file`]) {
    const { headers } = await fetch(`${service.url}${path}`, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://lab.example',
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': names.join(','),
      },
    });
    const allowed = (headers.get('Access-Control-Allow-Headers') ?? '').split(', ');
    expect(allowed, path).toEqual(expect.arrayContaining(names));
  }
});
