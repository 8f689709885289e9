import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { createCollection, stored } from '../support/collections.ts';
import { blockOf, request } from '../support/keep.ts';
import { submitForm } from '../support/pages.ts';
import { startService, type TestService } from '../support/service.ts';

/** Files deleted in the pages for people, and brought back: as many at once as a page of a directory has. */

const NAMES = Array.from({ length: 1000 }, (_, i) => `number ${String(i).padStart(4, '0')} ü.txt`);

let service: TestService;
let user: TestUser;
beforeAll(async () => {
  service = await startService();
  user = await createUser(service, 'ann');
});
afterAll(() => service.stop());

/** A collection whose files have their own numbers in them. */
async function numbered(): Promise<string> {
  const text = NAMES.map((_, i) => String(i).padStart(4, '0')).join('');
  const [block] = await stored(service, blockOf(text));
  const files = NAMES.map((name, i) => `${4 * i}:4:${name.replaceAll(' ', '\\040')}`);
  const manifest = `. ${block.locator} 0:4:beside\n./d\\040x ${block.locator} ${files.join(' ')} 0:8:stays\n`;
  return (await createCollection(service, manifest, { owner_uuid: user.uuid })).uuid;
}

const submit = (path: string, fields: [string, string][]) => submitForm(service, user.token, path, fields);

/** Deletes what is selected in the page of a directory. @returns UUID of the copy */
async function deleted(uuid: string, names: string[]): Promise<string> {
  const selected = names.map((name): [string, string] => ['encoded_files', encodeURIComponent(name)]);
  const { to, text } = await submit(`/workspace/file/${uuid}`, [['action', 'delete'], ['dir', 'd%20x'], ...selected]);
  expect(text).toBe('');
  expect(to.searchParams.get('done')).toBe('removed');
  return to.searchParams.get('undo') ?? '';
}

async function undo(uuid: string, copy: string): Promise<void> {
  const { status, to, text } = await submit(`/workspace/untrash/${copy}`, [['next', `/c=${uuid}/d%20x/`]]);
  expect([status, text]).toEqual([303, '']);
  expect(to.pathname).toBe(`/c=${uuid}/d%20x/`);
  expect(to.searchParams.get('done')).toBe('restored');
}

async function hashOf(uuid: string): Promise<string> {
  return (await api(service, `collections/${uuid}`, { token: user.token })).json.portable_data_hash;
}

async function namesIn(uuid: string): Promise<string[]> {
  const headers = { Accept: 'application/json' };
  const { text } = await request(`${service.url}/c=${uuid}/d%20x/`, { token: user.token, headers });
  return JSON.parse(text).entries.map(({ name }: { name: string }) => name);
}

async function read(uuid: string, name: string): Promise<string> {
  const path = `c=${uuid}/d%20x/${encodeURIComponent(name)}`;
  return (await request(`${service.url}/${path}`, { token: user.token })).text;
}

async function replaceFiles(uuid: string, replace_files: Record<string, string>): Promise<void> {
  const body = { collection: {}, replace_files };
  const { status, json } = await api(service, `collections/${uuid}`, { method: 'PATCH', body, token: user.token });
  if (status !== 200) throw new Error(JSON.stringify(json));
}

/** Copies of deleted files that the trash's page offers. */
async function inTrash(copy: string): Promise<boolean> {
  return (await request(`${service.url}/workspace/trash`, { token: user.token })).text.includes(`/untrash/${copy}`);
}

test('1,000 files that were deleted at once come back as they were', async () => {
  const uuid = await numbered();
  const before = await hashOf(uuid);
  const copy = await deleted(uuid, NAMES);
  expect(await namesIn(uuid)).toEqual(['stays']);
  expect(await inTrash(copy)).toBe(true);
  await undo(uuid, copy);
  expect(await hashOf(uuid)).toBe(before);
  expect(await inTrash(copy)).toBe(false);

  // Pressed twice, it brings them back once.
  await undo(uuid, copy);
  expect(await hashOf(uuid)).toBe(before);
});

test('those of the 1,000 whose names others have by then come back beside them', async () => {
  const uuid = await numbered();
  const copy = await deleted(uuid, NAMES);
  const retaken = NAMES.filter((_, i) => i % 2 === 1);
  await replaceFiles(uuid, Object.fromEntries(retaken.map((name) => [`/d x/${name}`, 'current/d x/stays'])));
  await undo(uuid, copy);
  const beside = (name: string) => name.replace('.txt', ' (restored).txt');
  expect((await namesIn(uuid)).toSorted()).toEqual([...NAMES, ...retaken.map(beside), 'stays'].toSorted());
  expect(await read(uuid, NAMES[6] ?? '')).toBe('0006');
  expect(await read(uuid, NAMES[7] ?? '')).toBe('00000001');
  expect(await read(uuid, beside(NAMES[7] ?? ''))).toBe('0007');
});

test('no file takes the new name of another one', async () => {
  const uuid = await numbered();
  await replaceFiles(uuid, {
    '/d x/a.txt': `current/d x/${NAMES[1]}`,
    '/d x/a (restored).txt': `current/d x/${NAMES[2]}`,
  });
  const copy = await deleted(uuid, ['a.txt', 'a (restored).txt']);
  await replaceFiles(uuid, {
    '/d x/a.txt': `current/d x/${NAMES[3]}`,
    '/d x/a (restored 2).txt': `current/d x/${NAMES[4]}`,
  });
  await undo(uuid, copy);
  expect(await read(uuid, 'a.txt')).toBe('0003');
  expect(await read(uuid, 'a (restored).txt')).toBe('0002');
  expect(await read(uuid, 'a (restored 2).txt')).toBe('0004');
  expect(await read(uuid, 'a (restored 3).txt')).toBe('0001');
});

/** What a file says whose name another writer took. */
const OTHERS = 'of another writer';

test('what other writers put there at the same moment stays, and all files come back', async () => {
  const uuid = await numbered();
  // Fewer than the pages try: each can come between a look and a change once.
  const names = NAMES.slice(0, 4);
  const copy = await deleted(uuid, names);
  const writing = names.map(async (name) => {
    const { status } = await request(`${service.url}/c=${uuid}/d%20x/${encodeURIComponent(name)}`, {
      method: 'PUT',
      token: user.token,
      body: OTHERS,
      headers: { 'If-None-Match': '*' },
    });
    return [name, status] as const;
  });
  await undo(uuid, copy);
  for (const [name, status] of await Promise.all(writing)) {
    expect([201, 412]).toContain(status);
    if (status === 201) expect(await read(uuid, name)).toBe(OTHERS);
    const back = status === 201 ? name.replace('.txt', ' (restored).txt') : name;
    expect(await read(uuid, back)).toBe(name.slice(7, 11));
  }
});

test('what is written to files while they are deleted is not lost: Undo brings it back, or it stays', async () => {
  const uuid = await numbered();
  const names = NAMES.slice(0, 4);
  const at = (name: string) => `${service.url}/c=${uuid}/d%20x/${encodeURIComponent(name)}`;
  const writing = Promise.all(
    names.map((name) => request(at(name), { method: 'PUT', token: user.token, body: `new ${name}` })),
  );
  const copy = await deleted(uuid, names);
  for (const { status } of await writing) expect([201, 204]).toContain(status);
  await undo(uuid, copy);
  for (const name of names) expect(await read(uuid, name)).toBe(`new ${name}`);
});

test('where they cannot come back, nothing comes back, the page says why, and it can be tried again', async () => {
  const uuid = await numbered();
  const copy = await deleted(uuid, NAMES.slice(0, 500));
  const rest = await hashOf(uuid);
  await replaceFiles(uuid, { '/kept': 'current/d x', '/d x': '' });
  await replaceFiles(uuid, { '/d x': 'current/beside' });
  const inTheWay = await hashOf(uuid);
  const { status, text } = await submit(`/workspace/untrash/${copy}`, []);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  expect(text).toContain('d x');
  expect(await hashOf(uuid)).toBe(inTheWay);
  expect(await inTrash(copy)).toBe(true);

  await replaceFiles(uuid, { '/d x': 'current/kept', '/kept': '' });
  expect(await hashOf(uuid)).toBe(rest);
  await undo(uuid, copy);
  expect(await read(uuid, NAMES[499] ?? '')).toBe('0499');
  expect(await namesIn(uuid)).toHaveLength(NAMES.length + 1);
});

test('1,000 long names in a deep directory come back, too', async () => {
  const directory = Array.from({ length: 5 }, (_, i) => `level ${i} ${'ü'.repeat(50)}`).join('/');
  const names = NAMES.map((name) => `${'long '.repeat(40)}${name}`);
  const uuid = await numbered();
  await replaceFiles(
    uuid,
    Object.fromEntries(names.map((name, i) => [`/${directory}/${name}`, `current/d x/${NAMES[i]}`])),
  );
  const before = await hashOf(uuid);
  const dir = encodeURIComponent(directory).replaceAll('%2F', '/');
  const { to, text } = await submit(`/workspace/file/${uuid}`, [
    ['action', 'delete'],
    ['dir', dir],
    ...names.map((name): [string, string] => ['encoded_files', encodeURIComponent(name)]),
  ]);
  expect(text).toBe('');
  expect(to.searchParams.get('done')).toBe('removed');
  expect(await hashOf(uuid)).not.toBe(before);
  expect((await submit(`/workspace/untrash/${to.searchParams.get('undo')}`, [])).status).toBe(303);
  expect(await hashOf(uuid)).toBe(before);
});

test('where so many names are too long for one change, nothing is deleted, and the page says what to do', async () => {
  const uuid = await numbered();
  const before = await hashOf(uuid);
  const dir = Array.from({ length: 100 }, (_, i) => `level${i}${'x'.repeat(50)}`).join('/');
  const selected = NAMES.map((name): [string, string] => ['files', name]);
  const { status, text } = await submit(`/workspace/file/${uuid}`, [['action', 'delete'], ['dir', dir], ...selected]);
  expect(status).toBe(409);
  expect(text.includes('Nothing is deleted yet') && text.includes('choose fewer at once')).toBe(true);
  expect(await hashOf(uuid)).toBe(before);
});
