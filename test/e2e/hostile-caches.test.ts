import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Heap, openHeap } from '../load/heap.ts';
import { api, createUser, type TestUser } from '../support/api.ts';
import { blockOf, putBlock, request, sign } from '../support/keep.ts';
import { type RawRequest, rawRequest } from '../support/raw-http.ts';
import { startService, type TestService } from '../support/service.ts';

/** Caches are keyed by what clients send: text of any length must not stay in memory, nor be accepted as a token. */

const MIB = 1 << 20;
/** What the isolate may hold more than before, in MiB, after megabytes of different texts. */
const MAX_GROWTH = 7;

let service: TestService;
let user: TestUser;
let heap: Heap;
let uuid: string;
let locator: string;

beforeAll(async () => {
  service = await startService({ inspect: true, vars: { WEBDAV_LOG_EVENTS: true } });
  user = await createUser(service, 'sender');
  const block = blockOf('foo');
  await putBlock(service.url, block);
  locator = sign(block.locator, { token: user.token });
  const body = { collection: { manifest_text: `./a ${locator} 0:3:f\n` } };
  uuid = (await api(service, 'collections', { token: user.token, body })).json.uuid;
  heap = await openHeap(service.inspectorUrl ?? '', 'worker');
});
afterAll(async () => {
  heap.close();
  await service.stop();
});

const held = async () => {
  await heap.usage();
  // What the last requests held goes with the next ones.
  for (let i = 0; i < 3; i++) await rawRequest(service.url, { path: '/_health/ping' });
  const { heap: script, external } = await heap.usage();
  return script + external;
};

/** How much more the isolate holds after these requests, 8 at a time. */
async function growthBy(count: number, requestOf: (index: number) => RawRequest): Promise<number> {
  // The first ones load what stays anyway.
  for (let index = 0; index < 8; index++) await rawRequest(service.url, requestOf(index));
  const before = await held();
  for (let done = 8; done < count; done += 8) {
    await Promise.all(Array.from({ length: 8 }, (_, i) => rawRequest(service.url, requestOf(done + i))));
  }
  return (await held()) - before;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const form = (path: string, token: string): RawRequest => ({
  method: 'POST',
  path,
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: Buffer.from(`disposition=attachment&api_token=${encodeURIComponent(token)}`),
});
/** An accepted token with a tail: its fourth part means nothing here. */
const padded = (index: number, length: number) => `${user.token}/${index}${'x'.repeat(length)}`;

describe('a token longer than any authority makes', () => {
  const long = () => padded(0, 3_900_000);

  test('opens nothing, in a form or a header', async () => {
    for (const path of [`/c=${uuid}/a/f`, `/c=${uuid}/a/`, '/users/', `/by_id/${uuid}/`]) {
      expect((await rawRequest(service.url, form(path, long()))).status, path).toBe(401);
    }
    const tooLong = bearer(padded(0, 9000));
    for (const path of [`/c=${uuid}/a/f`, `/c=${uuid}/t=${padded(0, 9000)}/a/f`, '/arvados/v1/users/current']) {
      expect((await rawRequest(service.url, { path, headers: tooLong })).status, path).toBeOneOf([401, 404]);
    }
    expect((await request(`${service.url}/c=${uuid}/a/f`, { token: padded(0, 4000) })).text).toBe('foo');
  });
});

test.each<[string, number, (index: number) => RawRequest]>([
  ['tokens of 3.9 MB in forms', 24, (i) => form(`/c=${uuid}/a/f`, padded(i, 3_900_000))],
  ['accepted tokens of 8,000 characters', 1200, (i) => ({ path: `/c=${uuid}/a/f`, headers: bearer(padded(i, 7900)) })],
  [
    'accepted tokens at the API',
    1200,
    (i) => ({ path: '/arvados/v1/users/current', headers: bearer(padded(i, 7900)) }),
  ],
  [
    'paths of 14,000 slashes',
    400,
    (i) => ({ path: `/c=${uuid}/a${'/'.repeat(14_000 + i)}f`, headers: bearer(user.token) }),
  ],
  [
    'long paths of different names',
    400,
    (i) => ({ path: `/c=${uuid}/${i}${'/x'.repeat(7000)}`, headers: bearer(user.token) }),
  ],
  [
    'locators with long hints',
    400,
    (i) => ({ path: `/${locator}+Z${i}${'z'.repeat(14_000)}`, headers: bearer(user.token) }),
  ],
  [
    'portable data hashes of many digits',
    400,
    (i) => ({ path: `/by_id/${'a'.repeat(32)}+${i}${'1'.repeat(14_000)}/`, headers: bearer(user.token) }),
  ],
  [
    'clients that say they come from everywhere',
    400,
    (i) => ({
      path: `/c=${uuid}/a/f`,
      headers: { ...bearer(user.token), 'x-forwarded-for': `10.0.${i >> 8}.${i & 255}, ${'9'.repeat(10_000)}` },
    }),
  ],
])(
  '%s do not stay in memory',
  async (_what, count, requestOf) => {
    expect(await growthBy(count, requestOf)).toBeLessThan(MAX_GROWTH);
  },
  300_000,
);

test('a directory thousands of levels down has a page and a PROPFIND answer of ordinary size', async () => {
  const below = Array.from({ length: 3000 }, (_, index) => `d${index % 10}`).join('/');
  const body = { collection: { manifest_text: `./${below} ${locator} 0:3:f\n` } };
  const deep = (await api(service, 'collections', { token: user.token, body })).json.uuid;
  const path = `/c=${deep}/${below}/`;
  const page = await rawRequest(service.url, { path, headers: { ...bearer(user.token), accept: 'text/html' } });
  expect([page.status, page.body.length < 20 * path.length + 400_000]).toEqual([200, true]);
  const listed = await rawRequest(service.url, {
    method: 'PROPFIND',
    path,
    headers: { ...bearer(user.token), depth: '1' },
  });
  expect([listed.status, listed.body.length < 20 * path.length]).toEqual([207, true]);
});

test('a form may not be larger than what is read of it', async () => {
  const body = Buffer.alloc(5 * MIB, 'api_token=');
  expect((await rawRequest(service.url, { ...form(`/c=${uuid}/a/f`, ''), body })).status).toBeOneOf([400, 413]);
});
