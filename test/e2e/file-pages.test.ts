import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { createCollection, stored } from '../support/collections.ts';
import { blockOf, request } from '../support/keep.ts';
import { submitForm } from '../support/pages.ts';
import { startService, type TestService } from '../support/service.ts';

/** The pages that rename and delete files. */

let service: TestService;
let user: TestUser;
let manifest: string;
beforeAll(async () => {
  service = await startService();
  user = await createUser(service, 'ann');
  const [block] = await stored(service, blockOf('onetwo'));
  manifest = `. ${block.locator} 0:3:one 3:3:two\n./sub ${block.locator} 0:6:both\n`;
});
afterAll(() => service.stop());

const filled = async () => (await createCollection(service, manifest, { owner_uuid: user.uuid })).uuid;
const rename = (uuid: string, path: string, to: string) =>
  submitForm(service, user.token, `/workspace/file/${uuid}`, [
    ['encoded_path', encodeURIComponent(path)],
    ['to', to],
  ]);
const read = async (uuid: string, path: string) =>
  (await request(`${service.url}/c=${uuid}/${path}`, { token: user.token })).text;
const hashOf = async (uuid: string) => (await api(service, `collections/${uuid}`)).json.portable_data_hash;

test('a file gets another name and place', async () => {
  const uuid = await filled();
  const { to } = await rename(uuid, 'one', '/new/place');
  expect(to.pathname + to.search).toBe(`/c=${uuid}/new/?done=saved`);
  expect(await read(uuid, 'new/place')).toBe('one');
  expect((await request(`${service.url}/c=${uuid}/one`, { token: user.token })).status).toBe(404);
});

test('a file that keeps its name stays', async () => {
  const uuid = await filled();
  const before = await hashOf(uuid);
  for (const same of ['one', '/one', ' one ']) expect((await rename(uuid, 'one', same)).status).toBe(303);
  for (const same of ['one/', './one', 'x//one']) expect((await rename(uuid, 'one', same)).status).not.toBe(303);
  expect(await hashOf(uuid)).toBe(before);
});

test.each([['two'], ['sub'], ['sub/both']])('no file takes the place of %s, and the page says so', async (taken) => {
  const uuid = await filled();
  const before = await hashOf(uuid);
  const { status, text } = await rename(uuid, 'one', taken);
  expect(status).toBe(412);
  expect(text).toContain(`/${taken} is there already`);
  expect(await hashOf(uuid)).toBe(before);
});

test('of renames to one name at the same moment one is made, and both files stay', async () => {
  const uuid = await filled();
  const statuses = (await Promise.all(['one', 'two'].map((path) => rename(uuid, path, 'same')))).map(
    ({ status }) => status,
  );
  expect(statuses.toSorted()).toEqual([303, 412]);
  const [moved, left] = statuses[0] === 303 ? ['one', 'two'] : ['two', 'one'];
  expect(await read(uuid, 'same')).toBe(moved);
  expect(await read(uuid, left ?? '')).toBe(left);
});

test('what is written to a file while it is renamed is in it afterwards, or beside it', async () => {
  const uuid = await filled();
  const write = (i: number) =>
    request(`${service.url}/c=${uuid}/one`, { method: 'PUT', token: user.token, body: `text ${i}` });
  const [last] = await Promise.all([
    (async () => {
      for (let i = 0; i < 20; i++) expect((await write(i)).status).toBeLessThan(300);
      return 'text 19';
    })(),
    (async () => {
      for (let i = 0; i < 5; i++) {
        expect((await rename(uuid, 'one', `moved ${i}`)).status).toBeLessThan(500);
      }
    })(),
  ]);
  const texts = await Promise.all(['one', ...[0, 1, 2, 3, 4].map((i) => `moved%20${i}`)].map((p) => read(uuid, p)));
  expect(texts).toContain(last);
});
