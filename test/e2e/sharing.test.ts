import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser, type Json, type TestUser } from '../support/api.ts';
import { stored } from '../support/collections.ts';
import { blockOf, request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

let service: TestService;
const block = blockOf('shared content');
const CLUSTER = 'xedge';
const EVERYONE = `${CLUSTER}-j7d0g-fffffffffffffff`;
const PUBLIC = `${CLUSTER}-j7d0g-anonymouspublic`;
beforeAll(async () => {
  service = await startService({ vars: { TOKEN_CACHE_TTL: '1s', WEBDAV_CACHE_TTL: '0s' } });
  await stored(service, block);
});
afterAll(() => service.stop());

let serial = 0;
const newUser = () => createUser(service, `person${serial++}`);
const make = async (path: string, record: string, attributes: Json, user: TestUser): Promise<Json> => {
  const made = await api(service, path, { token: user.token, body: { [record]: attributes } });
  if (made.status !== 200) throw new Error(JSON.stringify(made.json));
  return made.json;
};
const project = (user: TestUser, attributes: Json = {}) =>
  make('groups', 'group', { group_class: 'project', name: `project ${serial++}`, ...attributes }, user);
const role = (user: TestUser) => make('groups', 'group', { group_class: 'role', name: `role ${serial++}` }, user);
/** An ordinary user signs what they save: the root token does not have to. */
const collection = async (owner: string, attributes: Json = {}): Promise<Json> => {
  const record = {
    name: `collection ${serial++}`,
    owner_uuid: owner,
    manifest_text: `. ${block.locator} 0:${block.data.length}:file.txt\n`,
  };
  return (await api(service, 'collections', { body: { collection: { ...record, ...attributes } } })).json;
};
const link = (tail: string, head: string, name: string, user: TestUser) =>
  api(service, 'links', {
    token: user.token,
    body: { link: { link_class: 'permission', tail_uuid: tail, head_uuid: head, name } },
  });
const get = async (path: string, user: TestUser | null, query: Json = {}) =>
  api(service, path, { token: user?.token ?? null, query });
const put = (path: string, user: TestUser, record: string, attributes: Json) =>
  api(service, path, { method: 'PUT', token: user.token, body: { [record]: attributes } });
const remove = (path: string, user: TestUser) => api(service, path, { method: 'DELETE', token: user.token });

describe('a permission link', () => {
  test('lets a user read, then write, then manage, what is inside a project; and nothing once it is gone', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const outer = await project(ann);
    const inner = await project(ann, { owner_uuid: outer.uuid });
    const { uuid } = await collection(inner.uuid);
    expect((await get(`collections/${uuid}`, bob)).status).toBe(404);

    const made = await link(bob.uuid, outer.uuid, 'can_read', ann);
    expect(made.json).toMatchObject({
      name: 'can_read',
      tail_kind: 'arvados#user',
      head_kind: 'arvados#group',
      owner_uuid: `${CLUSTER}-tpzed-000000000000000`,
    });
    expect((await get(`collections/${uuid}`, bob)).json).toMatchObject({ can_write: false, can_manage: false });
    expect((await get('collections', bob)).json.items.map((item: Json) => item.uuid)).toEqual([uuid]);
    expect((await put(`collections/${uuid}`, bob, 'collection', { name: 'mine' })).status).toBe(403);
    expect((await remove(`collections/${uuid}`, bob)).status).toBe(403);
    expect((await link(bob.uuid, uuid, 'can_manage', bob)).status).toBe(403);

    expect((await put(`links/${made.json.uuid}`, bob, 'link', { name: 'can_manage' })).status).toBe(403);
    expect((await put(`links/${made.json.uuid}`, ann, 'link', { name: 'can_write' })).json.name).toBe('can_write');
    expect((await put(`collections/${uuid}`, bob, 'collection', { name: 'theirs' })).json).toMatchObject({
      name: 'theirs',
      can_write: true,
      can_manage: false,
    });
    expect((await get(`permissions/${outer.uuid}`, bob)).status).toBe(403);
    expect((await link(EVERYONE, uuid, 'can_read', bob)).status).toBe(403);

    await put(`links/${made.json.uuid}`, ann, 'link', { name: 'can_manage' });
    expect((await get(`permissions/${outer.uuid}`, bob)).json.items).toMatchObject([
      { tail_uuid: bob.uuid, name: 'can_manage' },
    ]);
    expect((await remove(`links/${made.json.uuid}`, ann)).status).toBe(200);
    expect((await get(`collections/${uuid}`, bob)).status).toBe(404);
    expect((await get('collections', bob)).json.items).toEqual([]);
  });

  test('is one for each pair: a second keeps the higher level', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const { uuid } = await project(ann);
    const first = await link(bob.uuid, uuid, 'can_write', ann);
    const second = await link(bob.uuid, uuid, 'can_read', ann);
    expect([second.status, second.json.uuid, second.json.name]).toEqual([200, first.json.uuid, 'can_write']);
    expect((await link(bob.uuid, uuid, 'can_manage', ann)).json).toMatchObject({
      uuid: first.json.uuid,
      name: 'can_manage',
    });
  });

  test('is refused for what makes no sense, and does not tell what is there', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const { uuid } = await project(ann);
    const other = await project(bob);
    const statusOf = async (...given: Parameters<typeof link>) => (await link(...given)).status;
    expect(await statusOf(bob.uuid, uuid, 'can_login', ann)).toBe(422);
    expect(await statusOf(uuid, uuid, 'can_read', ann)).toBe(422);
    expect(await statusOf(bob.uuid, `${CLUSTER}-4zz18-000000000000000`, 'can_read', ann)).toBe(422);
    expect(await statusOf(bob.uuid, other.uuid, 'can_read', ann), 'not readable: as if not there').toBe(422);
    expect(await statusOf(PUBLIC, uuid, 'can_write', ann)).toBe(422);
    const made = await link(bob.uuid, uuid, 'can_read', ann);
    expect((await put(`links/${made.json.uuid}`, ann, 'link', { tail_uuid: ann.uuid })).status).toBe(422);
    expect((await get(`links/${made.json.uuid}`, await newUser())).status).toBe(404);
    expect((await get(`links/${made.json.uuid}`, bob)).json.name, 'the tail sees it').toBe('can_read');
  });

  test('to another user passes on what they own only when it is can_manage', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const { uuid } = await collection(bob.uuid);
    const made = await link(ann.uuid, bob.uuid, 'can_write', bob);
    expect((await get(`collections/${uuid}`, ann)).status).toBe(404);
    await put(`links/${made.json.uuid}`, bob, 'link', { name: 'can_manage' });
    expect((await get(`collections/${uuid}`, ann)).json).toMatchObject({ can_manage: true });
  });
});

describe('a role', () => {
  test('gives its members what it has, narrowed by their membership, also through another role', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const [lab, team] = [await role(ann), await role(ann)];
    const { uuid: shared } = await project(ann);
    const { uuid } = await collection(shared);
    await link(lab.uuid, shared, 'can_manage', ann);
    await link(team.uuid, lab.uuid, 'can_write', ann);
    const membership = await link(bob.uuid, team.uuid, 'can_read', ann);
    expect((await get(`collections/${uuid}`, bob)).json).toMatchObject({ can_write: false });
    await put(`links/${membership.json.uuid}`, ann, 'link', { name: 'can_manage' });
    expect((await get(`collections/${uuid}`, bob)).json).toMatchObject({ can_write: true, can_manage: false });
    await remove(`links/${membership.json.uuid}`, ann);
    expect((await get(`collections/${uuid}`, bob)).status).toBe(404);
  });

  test('belongs to the system and is managed by who made it; all see it; it owns nothing and goes with its links', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const lab = await role(ann);
    expect(lab).toMatchObject({ owner_uuid: `${CLUSTER}-tpzed-000000000000000`, can_manage: true });
    expect((await get(`groups/${lab.uuid}`, bob)).json).toMatchObject({ can_write: false, can_manage: false });
    expect((await put(`groups/${lab.uuid}`, bob, 'group', { name: 'x' })).status).toBe(403);
    expect(
      (await api(service, 'groups', { token: ann.token, body: { group: { group_class: 'role', name: lab.name } } }))
        .status,
    ).toBe(422);
    expect((await put(`groups/${lab.uuid}`, ann, 'group', { group_class: 'project' })).status).toBe(422);
    expect(
      (await api(service, 'groups', { token: ann.token, body: { group: { group_class: 'filter', name: 'f' } } }))
        .status,
    ).toBe(422);
    expect(
      (await api(service, 'groups', { token: ann.token, body: { group: { name: 'p', owner_uuid: lab.uuid } } })).status,
    ).toBe(422);
    const { uuid } = await project(ann);
    await link(lab.uuid, uuid, 'can_read', ann);
    expect((await remove(`groups/${lab.uuid}`, bob)).status).toBe(403);
    expect((await remove(`groups/${lab.uuid}`, ann)).status).toBe(200);
    expect((await get(`permissions/${uuid}`, ann)).json.items).toEqual([]);
    expect((await remove(`groups/${EVERYONE}`, ann)).status).toBe(403);
  });
});

test('what is moved needs can_write on both sides, and a trashed project hides from all what is inside', async () => {
  const [ann, bob] = [await newUser(), await newUser()];
  const shared = await project(ann);
  const { uuid } = await collection(shared.uuid);
  await link(bob.uuid, uuid, 'can_write', ann);
  expect((await put(`collections/${uuid}`, bob, 'collection', { owner_uuid: bob.uuid })).status).toBe(403);
  await link(bob.uuid, shared.uuid, 'can_write', ann);
  await remove(`groups/${shared.uuid}`, ann);
  expect((await get(`collections/${uuid}`, bob)).status, 'a direct link does not help').toBe(404);
  expect((await get(`collections/${uuid}`, bob, { include_trash: true })).status).toBe(200);
  await api(service, `groups/${shared.uuid}/untrash`, { method: 'POST', token: ann.token, body: {} });
  expect((await put(`collections/${uuid}`, bob, 'collection', { owner_uuid: bob.uuid })).json).toMatchObject({
    owner_uuid: bob.uuid,
  });
  expect((await get(`collections/${uuid}`, ann)).status).toBe(404);
});

test('contents and shared show what others share as mounts and Workbench ask for it', async () => {
  const [ann, bob] = [await newUser(), await newUser()];
  const [outer, home] = [await project(ann), await project(bob)];
  const inner = await project(ann, { owner_uuid: outer.uuid });
  const { uuid } = await collection(inner.uuid);
  await link(bob.uuid, outer.uuid, 'can_read', ann);
  const filters = [['group_class', 'in', ['project', 'filter']]];
  const shared = await get('groups/shared', bob, {
    filters,
    include: 'owner_uuid',
    order: 'uuid',
    limit: 10000,
    count: 'none',
  });
  expect(shared.json.items.map((item: Json) => item.uuid)).toEqual([outer.uuid]);
  expect(shared.json.included.map((item: Json) => item.uuid)).toEqual([ann.uuid]);
  const names = async (query: Json) =>
    (await get('groups/contents', bob, query)).json.items.map((item: Json) => item.uuid);
  expect(await names({ uuid: outer.uuid })).toEqual([inner.uuid]);
  expect(await names({ uuid: outer.uuid, recursive: true })).toEqual([inner.uuid, uuid]);
  expect((await names({ exclude_home_project: true })).sort()).toEqual([outer.uuid].sort());
  expect((await names({})).sort()).toEqual([outer.uuid, inner.uuid, home.uuid, uuid].sort());
  expect((await get(`groups/${home.uuid}/contents`, ann)).status).toBe(404);
});

test('a user who is not set up any more has nothing; what they own stays', async () => {
  const [ann, bob] = [await newUser(), await newUser()];
  const shared = await project(ann);
  const lab = await role(ann);
  await link(bob.uuid, lab.uuid, 'can_read', ann);
  await link(bob.uuid, shared.uuid, 'can_read', ann);
  expect((await api(service, `users/${bob.uuid}/unsetup`, { method: 'POST', token: ann.token, body: {} })).status).toBe(
    403,
  );
  expect((await api(service, `users/${bob.uuid}/unsetup`, { method: 'POST', body: {} })).json.is_active).toBe(false);
  expect((await get(`groups/${shared.uuid}`, bob)).status).toBe(403);
  expect((await get(`permissions/${lab.uuid}`, ann)).json.items.map((item: Json) => item.tail_uuid)).toEqual([
    ann.uuid,
  ]);
  expect((await api(service, 'users/setup', { method: 'POST', body: { uuid: bob.uuid } })).status).toBe(200);
  expect((await get(`groups/${shared.uuid}`, bob)).status).toBe(200);
});

describe('the public', () => {
  const file = (uuid: string, token: string | null = null) => request(`${service.url}/c=${uuid}/file.txt`, { token });

  test('reads what is shared with it, without a token, everywhere; and changes nothing', async () => {
    const ann = await newUser();
    const shared = await project(ann);
    const { uuid, portable_data_hash: hash } = await collection(shared.uuid);
    const { uuid: hidden } = await collection(ann.uuid);
    expect((await file(uuid)).status).toBe(401);
    const made = await link(PUBLIC, shared.uuid, 'can_read', ann);
    expect(made.status).toBe(200);
    expect((await file(uuid)).text).toBe('shared content');
    for (const path of [
      `by_id/${uuid}/file.txt`,
      `by_id/${shared.uuid}/`,
      `c=${hash.replace('+', '-')}/file.txt`,
      `c=${uuid}/`,
    ])
      expect((await request(`${service.url}/${path}`, { token: null })).status, path).toBe(200);
    const propfind = await request(`${service.url}/c=${uuid}/`, {
      method: 'PROPFIND',
      token: null,
      headers: { depth: '1' },
    });
    expect(propfind.status).toBe(207);
    expect((await get(`collections/${uuid}`, null)).json).toMatchObject({ uuid, can_write: false });
    expect((await get(`groups/${shared.uuid}/contents`, null)).json.items).toMatchObject([{ uuid }]);
    const record = await get(`collections/${uuid}`, null);
    const locator = record.json.manifest_text.split(' ')[1];
    const { AnonymousUserToken: token } = (await get('config', null)).json.Users;
    expect((await request(`${service.url}/${locator}`, { token })).text).toBe('shared content');

    expect((await get(`collections/${hidden}`, null)).status).toBe(401);
    expect((await get('collections', null)).status).toBe(401);
    expect((await put(`collections/${uuid}`, { uuid: '', token }, 'collection', { name: 'x' })).status).toBe(403);
    expect((await request(`${service.url}/${block.hash}`, { method: 'PUT', token, body: block.data })).status).toBe(
      403,
    );
    expect((await get('users', { uuid: '', token })).json.items.map((item: Json) => item.uuid)).toEqual([
      `${CLUSTER}-tpzed-anonymouspublic`,
    ]);

    await remove(`links/${made.json.uuid}`, ann);
    expect((await file(uuid)).status).toBe(401);
    expect((await get(`collections/${uuid}`, null)).status).toBe(401);
  });

  test('is smaller than all users: what these share stays closed to it, and uploader accounts are not among them', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const { uuid } = await collection(ann.uuid);
    await link(EVERYONE, uuid, 'can_read', ann);
    expect((await get(`collections/${uuid}`, bob)).status).toBe(200);
    expect((await file(uuid)).status).toBe(401);
    const robot = await api(service, 'uploader_accounts', {
      token: bob.token,
      body: { uploader_account: { name: 'robot' } },
    });
    expect((await get(`collections/${uuid}`, { uuid: '', token: robot.json.api_token })).status).toBe(404);
  });
});

describe('a sharing link', () => {
  const open = (href: string, path: string, init: Json = {}) => request(`${href}${path}`, { token: null, ...init });

  test('opens its collection: listing, file, range, archive, WebDAV; nothing else; and stops when it is revoked', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const { uuid } = await collection(ann.uuid);
    const { uuid: other } = await collection(ann.uuid);
    const made = await make('sharing_links', 'sharing_link', { collection_uuid: uuid, name: 'for Eve' }, ann);
    expect(made).toMatchObject({ collection_uuid: uuid, name: 'for Eve', owner_uuid: ann.uuid, last_used_at: null });
    expect((await open(made.href, '')).status).toBe(200);
    expect((await open(made.href, 'file.txt')).text).toBe('shared content');
    expect((await open(made.href, 'file.txt', { headers: { range: 'bytes=0-5' } })).text).toBe('shared');
    expect((await open(made.href, '?accept=application/zip')).status).toBe(200);
    expect((await open(made.href, '', { method: 'PROPFIND', headers: { depth: '1' } })).status).toBe(207);
    expect((await open(made.href, 'new.txt', { method: 'PUT', body: 'x' })).status).toBe(403);

    const secret = /t=([^/]+)/.exec(made.href)?.[1] ?? '';
    const asLink = { uuid: '', token: secret };
    expect((await open(made.href.replace(uuid, other), 'file.txt')).status).toBe(404);
    expect((await get(`collections/${other}`, asLink)).status).toBe(403);
    for (const path of ['collections', 'users/current', 'links', 'groups', 'sharing_links'])
      expect((await get(path, asLink)).status, path).toBe(403);

    const [listed] = (await get('sharing_links', ann, { filters: [['collection_uuid', '=', uuid]] })).json.items;
    expect(listed).toMatchObject({ uuid: made.uuid, name: 'for Eve' });
    expect(listed.last_used_at).not.toBeNull();
    expect(JSON.stringify(listed)).not.toContain(secret);
    expect((await get('sharing_links', bob)).json.items).toEqual([]);
    expect((await remove(`sharing_links/${made.uuid}`, bob)).status).toBe(404);
    expect((await remove(`sharing_links/${made.uuid}`, ann)).status).toBe(200);
    expect((await open(made.href, 'file.txt')).status).toBe(404);
  });

  test('ends when its maker loses the collection, and can be made by readers only', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const { uuid } = await collection(ann.uuid);
    const refused = await api(service, 'sharing_links', {
      token: bob.token,
      body: { sharing_link: { collection_uuid: uuid } },
    });
    expect(refused.status).toBe(404);
    const permission = await link(bob.uuid, uuid, 'can_read', ann);
    const made = await make('sharing_links', 'sharing_link', { collection_uuid: uuid }, bob);
    expect((await open(made.href, 'file.txt')).status).toBe(200);
    expect(
      (await get('sharing_links', ann)).json.items.map((item: Json) => item.owner_uuid),
      'who manages it sees it',
    ).toEqual([bob.uuid]);
    await remove(`links/${permission.json.uuid}`, ann);
    expect((await open(made.href, 'file.txt')).status).toBe(404);
  });

  test('ends when it expires', async () => {
    const ann = await newUser();
    const { uuid } = await collection(ann.uuid);
    const expiry = Date.now() + 5000;
    const attributes = { collection_uuid: uuid, expires_at: new Date(expiry).toISOString() };
    const made = await make('sharing_links', 'sharing_link', attributes, ann);
    expect((await open(made.href, 'file.txt')).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, expiry + 100 - Date.now()));
    expect((await open(made.href, 'file.txt')).status).toBe(404);
    const late = { collection_uuid: uuid, expires_at: '2020-01-01T00:00:00Z' };
    expect((await api(service, 'sharing_links', { token: ann.token, body: { sharing_link: late } })).status).toBe(422);
  });
});

test('an admin hands everything of one user to another, and the first one has nothing left', async () => {
  const [ann, bob, cat] = [await newUser(), await newUser(), await newUser()];
  const mine = await project(ann, { name: 'same' });
  await project(bob, { name: 'same' });
  const { uuid } = await collection(mine.uuid);
  const { uuid: direct } = await collection(ann.uuid);
  await link(cat.uuid, direct, 'can_read', ann);
  await link(ann.uuid, (await project(cat)).uuid, 'can_read', cat);
  expect(
    (await api(service, `users/${ann.uuid}/transfer`, { token: bob.token, body: { transfer: { to: bob.uuid } } }))
      .status,
  ).toBe(403);
  const step = await api(service, `users/${ann.uuid}/transfer`, { body: { transfer: { to: bob.uuid } } });
  expect(step.json).toMatchObject({ moved: 2, remaining: false });
  for (const id of [uuid, direct]) expect((await get(`collections/${id}`, bob)).json.can_manage).toBe(true);
  expect((await get(`collections/${direct}`, cat)).status, 'what was shared stays shared').toBe(200);
  expect((await get('users/current', ann)).status).toBe(401);
  expect(
    (await api(service, `users/${ann.uuid}/transfer`, { body: { transfer: { to: bob.uuid } } })).json,
  ).toMatchObject({
    project_uuid: step.json.project_uuid,
    moved: 0,
  });
});

test('who shared what is in the log of the record, for all who may read it', async () => {
  const [ann, bob] = [await newUser(), await newUser()];
  const { uuid } = await collection(ann.uuid);
  const made = await link(bob.uuid, uuid, 'can_read', ann);
  const events = async (user: TestUser) =>
    (
      await get('logs', user, {
        filters: [
          ['object_uuid', '=', uuid],
          ['event_type', 'in', ['share', 'unshare']],
        ],
        order: ['id asc'],
      })
    ).json.items;
  await expect
    .poll(() => events(bob))
    .toMatchObject([
      { event_type: 'share', modified_by_user_uuid: ann.uuid, properties: { tail_uuid: bob.uuid, name: 'can_read' } },
    ]);
  await remove(`links/${made.json.uuid}`, ann);
  await expect
    .poll(async () => (await events(ann)).map((event: Json) => event.event_type))
    .toEqual(['share', 'unshare']);
  expect(await events(bob)).toEqual([]);
});

test('who changed what, by whatever way, is in the log of the record; with whom it is shared only managers see', async () => {
  const [ann, bob, cat] = [await newUser(), await newUser(), await newUser()];
  const lab = await project(ann);
  const { uuid } = await collection(lab.uuid);
  await link(bob.uuid, lab.uuid, 'can_write', ann);
  await link(cat.uuid, uuid, 'can_read', ann);
  await put(`collections/${uuid}`, bob, 'collection', { name: 'by bob', description: 'x' });
  const options = { method: 'PUT', token: ann.token, body: 'text' };
  expect((await request(`${service.url}/c=${uuid}/new.txt`, options)).status).toBe(201);
  await remove(`collections/${uuid}`, bob);
  await api(service, `collections/${uuid}/untrash`, { token: bob.token, body: {} });
  await api(service, 'logs', {
    token: bob.token,
    body: { log: { event_type: 'delete', object_uuid: uuid, summary: 'not true' } },
  });
  const events = async (user: TestUser, types: string[] | null, of: string = uuid) => {
    const filters = [['object_uuid', '=', of], ...(types === null ? [] : [['event_type', 'in', types]])];
    const { items } = (await get('logs', user, { filters, order: ['event_at asc', 'id asc'] })).json;
    return items.map((event: Json) => [event.event_type, event.modified_by_user_uuid, event.properties.changed]);
  };
  const CHANGES = ['create', 'update', 'trash', 'untrash', 'delete'];
  for (const user of [ann, bob, cat])
    expect(await events(user, CHANGES), user.uuid).toEqual([
      ['create', expect.stringContaining('-tpzed-000000000000000'), undefined],
      ['update', bob.uuid, ['name', 'description']],
      ['update', ann.uuid, ['portable_data_hash']],
      ['trash', bob.uuid, undefined],
      ['untrash', bob.uuid, undefined],
    ]);
  // Without naming a record: of all that may be read.
  const trashed = (await get('logs', cat, { filters: [['event_type', '=', 'trash']] })).json.items;
  expect(trashed.map((event: Json) => event.object_uuid)).toEqual([uuid]);
  await expect.poll(() => events(ann, ['share'])).toEqual([['share', ann.uuid, undefined]]);
  expect(await events(cat, ['share'])).toEqual([['share', ann.uuid, undefined]]);
  expect(await events(bob, ['share'])).toEqual([]);
  expect(await events(await newUser(), null)).toEqual([]);
  await remove(`groups/${lab.uuid}`, ann);
  await api(service, `groups/${lab.uuid}/untrash`, { token: bob.token, body: {} });
  expect(await events(ann, CHANGES, lab.uuid)).toEqual([
    ['create', ann.uuid, undefined],
    ['trash', ann.uuid, undefined],
    ['untrash', bob.uuid, undefined],
  ]);
  const ended = await role(ann);
  await remove(`groups/${ended.uuid}`, ann);
  const filters = [['object_uuid', '=', ended.uuid]];
  const { items } = (await api(service, 'logs', { query: { filters, order: ['event_at asc'] } })).json;
  expect(items.map((event: Json) => [event.event_type, event.modified_by_user_uuid])).toEqual([
    ['create', ann.uuid],
    ['delete', ann.uuid],
  ]);
});

describe('a search', () => {
  const search = async (q: string, user: TestUser, query: Json = {}) =>
    (await get('search', user, { q, ...query })).json as { items: Json[]; next: string | null };

  test('finds by words in names, properties and file names what the user may read, right after it was saved', async () => {
    const [ann, bob] = [await newUser(), await newUser()];
    const whales = await project(ann, { name: 'Whales of the north', properties: { species: 'narwhal' } });
    const manifest_text = `. ${block.locator} 0:${block.data.length}:Narwhal-7.bam\n`;
    const inside = await collection(whales.uuid, { name: 'run 7', manifest_text });
    const found = async (q: string, user: TestUser, query: Json = {}) =>
      (await search(q, user, query)).items.map(({ uuid }) => uuid);
    for (let round = 0; round < 2; round++) {
      expect((await found('NARWHAL', ann)).sort()).toEqual([inside.uuid, whales.uuid].sort());
      expect(await found('narwhal run', ann)).toEqual([inside.uuid]);
      expect(await found('"of the north"', ann)).toEqual([whales.uuid]);
      expect(await found('narwhal', ann, { kind: 'arvados#group' })).toEqual([whales.uuid]);
      expect(await found('narwhal', bob)).toEqual([]);
      const filters = [['any', 'ilike', '%narwhal%']];
      expect((await get('collections', bob, { filters })).json.items).toEqual([]);
      expect((await get('collections', ann, { filters })).json.items).toHaveLength(1);
      expect((await get('groups', ann, { filters })).json.items).toHaveLength(1);
      // The second round asks the index.
      await api(service, '../../keep-edge/v1/search/rebuild', { body: {} });
    }
    await link(bob.uuid, inside.uuid, 'can_read', ann);
    expect((await search('narwhal', bob)).items).toMatchObject([
      { kind: 'arvados#collection', name: 'run 7', matching_files: ['Narwhal-7.bam'], can_write: false },
    ]);
    await put(`collections/${inside.uuid}`, ann, 'collection', { name: 'beluga' });
    expect(await found('beluga', bob)).toEqual([inside.uuid]);
    await remove(`collections/${inside.uuid}`, ann);
    expect(await found('narwhal', ann)).toEqual([whales.uuid]);
  });

  test('comes in pages that name the next one', async () => {
    const ann = await newUser();
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.push((await collection(ann.uuid, { name: `paged walrus ${i}` })).uuid);
    await api(service, '../../keep-edge/v1/search/rebuild', { body: {} });
    const seen: string[] = [];
    let after: string | null = null;
    for (let pages = 0; pages < 9; pages++) {
      const page = await search('walrus', ann, { limit: 2, ...(after === null ? {} : { after }) });
      seen.push(...page.items.map(({ uuid }) => uuid));
      after = page.next;
      if (after === null) break;
    }
    expect(after).toBeNull();
    expect([...new Set(seen)].sort()).toEqual(made.sort());
  });

  test('says what it needs', async () => {
    const ann = await newUser();
    for (const query of [{}, { q: 'ab' }, { q: 'abc', kind: 'x' }, { q: 'abc', after: 'x' }, { q: 'abc', limit: 'x' }])
      expect((await get('search', ann, query)).status, JSON.stringify(query)).toBe(422);
    const old = await get('collections', ann, { filters: [['any', '@@', 'walrus']] });
    expect(old.status).toBe(422);
    expect(old.json.errors[0]).toContain('@@');
    expect((await request(`${service.url}/keep-edge/v1/search`, { token: ann.token })).status).toBe(403);
  });
});
