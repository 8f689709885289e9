import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiOptions, api, createUser, type Json, type TestUser } from '../support/api.ts';
import { startService, type TestService } from '../support/service.ts';

/** Pages are bounded in bytes as well as in rows: an isolate's 128 MB are shared by all its requests. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const ROWS = 60;
const long = 'x'.repeat(190_000);
let service: TestService;
let user: TestUser;

beforeAll(async () => {
  service = await startService();
  user = await createUser(service, 'owner', { prefs: { long: long.slice(0, 60_000) } });
  const record = (i: number) => ({ name: `n${i}`, description: long, properties: { long, i } });
  for (let i = 0; i < ROWS; i++) {
    const collection = await call('collections', { body: { collection: record(i) } });
    expect(collection.status).toBe(200);
    const group = await call('groups', { body: { group: { group_class: 'project', ...record(i) } } });
    expect(group.status).toBe(200);
  }
  for (let i = 0; i < 100; i++)
    await call('logs', {
      body: {
        log: { event_type: 'note', summary: long.slice(0, 9000), properties: { long: long.slice(0, 60_000), i } },
      },
    });
}, 120_000);
afterAll(() => service.stop());

const call = (path: string, options: ApiOptions = {}) => api(service, path, { token: user.token, ...options });

describe.each(['collections', 'groups', 'logs', 'groups/contents'])('a list of %s with long texts', (path) => {
  // Without the groups that every cluster has, and without the events that changes leave in the log.
  const filters =
    path === 'groups' ? [['group_class', '=', 'project']] : path === 'logs' ? [['event_type', '=', 'note']] : [];
  // Projects and collections have a budget each.
  const budget = (path === 'groups/contents' ? 2 : 1) * MAX_PAGE_BYTES + 1_000_000;
  const everything = path === 'groups/contents' ? 2 * ROWS : path === 'logs' ? 100 : ROWS;

  test('is cut at 4 MiB, and its pages together hold every row once', async () => {
    const seen: string[] = [];
    for (let pages = 0; seen.length < everything; pages++) {
      expect(pages).toBeLessThan(60);
      const { status, json } = await call(path, {
        query: { limit: 1000, offset: seen.length, order: 'uuid', filters },
      });
      expect(status, JSON.stringify(json).slice(0, 300)).toBe(200);
      expect(JSON.stringify(json).length).toBeLessThan(budget);
      expect(json.items.length).toBeGreaterThan(0);
      expect(json.limit).toBe(seen.length + json.items.length < everything ? json.items.length : json.limit);
      expect(json.items_available).toBe(everything);
      seen.push(...json.items.map((item: Json) => item.uuid));
    }
    expect(new Set(seen).size).toBe(everything);
  });

  test('comes whole where no long text is selected', async () => {
    const { json } = await call(path, { query: { limit: 1000, select: ['uuid', 'modified_at'], filters } });
    expect([json.items.length, json.limit]).toEqual([everything, 1000]);
  });
});

test('newest first, by permission and by admins, is in order and cut as well', async () => {
  for (const options of [{}, { token: service.rootToken }]) {
    const { json } = await call('collections', { query: { limit: 1000 }, ...options });
    expect(json.items.length).toBeGreaterThan(5);
    expect(json.items.length).toBeLessThan(ROWS);
    const times = json.items.map((item: Json) => item.modified_at);
    expect(times).toEqual([...times].sort().reverse());
    expect(json.items[0]).toMatchObject({ kind: 'arvados#collection', can_write: true, is_trashed: false });
    expect(json.items[0]).not.toHaveProperty('page_rows');
  }
});

test('distinct long values are few a page; distinct short ones are not', async () => {
  const long = await call('collections', { query: { distinct: true, select: ['properties'], limit: 1000 } });
  expect(long.json.items.length).toBeLessThanOrEqual(10);
  const short = await call('collections', { query: { distinct: true, select: ['name'], limit: 1000 } });
  expect(short.json.items.length).toBe(ROWS);
});
