import { beforeAll, expect, test } from 'vitest';
import { hashSecret } from '../../../../src/accounts/tokens.ts';
import { KeepError } from '../../../../src/keep/errors.ts';
import { type CountedService, countedService, type RequestCost } from '../../support/counted-service.ts';
import { database, emptyDatabase } from '../../support/database.ts';

/** Bringing deleted files back: what it asks of the bindings, which a request may ask only so often, and its races. */

const USER = 'xedge-tpzed-aaaaaaaaaaaaaaa';
const TOKEN = 'xedge-gj3su-aaaaaaaaaaaaaaa';
const SECRET = 'secretsecretsecretsecretsecretsecret';
const NOW = '2026-01-01T00:00:00.000000000Z';
const HOST = 'http://keep.test';
const HEADERS = { Authorization: `Bearer v2/${TOKEN}/${SECRET}`, Host: 'keep.test' };
const FOO = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
/** As many rows as a page of a directory has. */
const MANY = 1000;

let service: CountedService;

beforeAll(async () => {
  const db = await database();
  for (const table of ['tokens', 'collection_versions', 'file_metadata'])
    await db.prepare(`DELETE FROM ${table}`).run();
  await emptyDatabase(db);
  const times = [NOW, NOW, USER];
  await db.batch([
    db
      .prepare(
        'INSERT INTO users (uuid, owner_uuid, created_at, modified_at, modified_by_user_uuid, is_active) VALUES (?, ?, ?, ?, ?, 1)',
      )
      .bind(USER, 'xedge-tpzed-000000000000000', ...times),
    db
      .prepare(
        'INSERT INTO tokens (uuid, owner_uuid, secret_sha256, created_at, modified_at, modified_by_user_uuid) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .bind(TOKEN, USER, await hashSecret(SECRET), ...times),
  ]);
  service = await countedService({ EDGE_CACHE: 'off', REPACK_IDLE: '0s' });
});

async function collectionOf(names: string[]): Promise<string> {
  const { api } = service.deps;
  if (api?.mode !== 'embedded') throw new Error('there are no collections');
  const text = `./d ${FOO} 0:2:stays ${names.map((name) => `0:3:${name}`).join(' ')}\n`;
  const manifest = await api.collections.stage([new TextEncoder().encode(text)], null);
  const user = { uuid: USER, isAdmin: false, isActive: true, username: 'a', fullName: '' };
  const { record } = await api.collections.create({ attributes: {}, manifest }, user);
  await service.countObject(String(record.uuid));
  return String(record.uuid);
}

async function submit(path: string, fields: [string, string][]): Promise<{ location: URL; cost: RequestCost }> {
  const body = String(new URLSearchParams(fields));
  const headers = { ...HEADERS, 'Sec-Fetch-Site': 'same-origin', 'Content-Length': String(body.length) };
  const answer = await service.ask(new Request(HOST + path, { method: 'POST', body, headers }));
  if (answer.status !== 303) throw new Error(`${path}: ${answer.status} ${answer.text}`);
  return { location: new URL(answer.location ?? '', HOST), cost: answer.answered };
}

/** Deletes a directory's files, of which the names are then given to others where `retaken` says so, and brings them back. */
async function undone(count: number, { retaken }: { retaken: boolean }): Promise<RequestCost> {
  const names = Array.from({ length: count }, (_, i) => `file${i}.txt`);
  const uuid = await collectionOf(names);
  const chosen = names.map((name): [string, string] => ['encoded_files', name]);
  const { location } = await submit(`/workspace/file/${uuid}`, [['action', 'delete'], ['dir', 'd'], ...chosen]);
  expect(location.searchParams.get('done')).toBe('removed');
  const copy = location.searchParams.get('undo') ?? '';
  await service.countObject(copy);
  if (retaken) {
    await replaceFiles(uuid, Object.fromEntries(names.map((name) => [`/d/${name}`, 'current/d/stays'])));
  }
  const back = await submit(`/workspace/untrash/${copy}`, [['next', location.pathname]]);
  expect(back.location.searchParams.get('done')).toBe('restored');
  const listing = await service.ask(
    new Request(`${HOST}/c=${uuid}/d/`, { headers: { ...HEADERS, Accept: 'application/json' } }),
  );
  expect(JSON.parse(listing.text).entries).toHaveLength(1 + (retaken ? 2 : 1) * count);
  return back.cost;
}

test.each([
  ['whose names are free', false],
  ['whose names others have', true],
])('bringing back 1,000 files %s asks of the bindings what one file does', async (_, retaken) => {
  const one = await undone(1, { retaken });
  const many = await undone(MANY, { retaken });
  for (const what of ['d1', 'r2', 'objects'] as const) expect(many[what], what).toBeLessThanOrEqual(one[what]);
  // Of the 1,000 that one request may ask of D1.
  expect(many.d1).toBeLessThan(50);
});

/** What comes to be between what a page has seen and the change that it makes. */
async function between<Result>(work: () => Promise<Result>, meanwhile: () => Promise<unknown>): Promise<Result> {
  const { api } = service.deps;
  if (api?.mode !== 'embedded') throw new Error('there are no collections');
  const { commits } = api;
  const edit = commits.edit;
  commits.edit = async (...asked) => {
    commits.edit = edit;
    await meanwhile();
    return edit(...asked);
  };
  return work();
}

async function replaceFiles(uuid: string, replace_files: Record<string, string>): Promise<void> {
  const body = JSON.stringify({ collection: {}, replace_files });
  const headers = { ...HEADERS, 'Content-Type': 'application/json', 'Content-Length': String(body.length) };
  const path = `${HOST}/arvados/v1/collections/${uuid}`;
  expect((await service.ask(new Request(path, { method: 'PATCH', body, headers }))).status).toBe(200);
}

async function sizesIn(uuid: string): Promise<Record<string, number>> {
  const headers = { ...HEADERS, Accept: 'application/json' };
  const { text } = await service.ask(new Request(`${HOST}/c=${uuid}/d/`, { headers }));
  const entries = JSON.parse(text).entries as { name: string; size: number }[];
  return Object.fromEntries(entries.map(({ name, size }) => [name, size]));
}

const DELETE: [string, string][] = [
  ['action', 'delete'],
  ['dir', 'd'],
  ['encoded_files', 'a.txt'],
];

test('Undo replaces nothing that comes between its look and its change', async () => {
  const uuid = await collectionOf(['a.txt']);
  const copy = (await submit(`/workspace/file/${uuid}`, DELETE)).location.searchParams.get('undo') ?? '';
  await between(
    () => submit(`/workspace/untrash/${copy}`, []),
    () => replaceFiles(uuid, { '/d/a.txt': 'current/d/stays' }),
  );
  expect(await sizesIn(uuid)).toEqual({ 'a.txt': 2, 'a (restored).txt': 3, stays: 2 });
});

test('what is written to a file between its copy and its end comes back', async () => {
  const uuid = await collectionOf(['a.txt']);
  const { location } = await between(
    () => submit(`/workspace/file/${uuid}`, DELETE),
    () => replaceFiles(uuid, { '/d/a.txt': 'current/d/stays' }),
  );
  expect(await sizesIn(uuid)).toEqual({ stays: 2 });
  await submit(`/workspace/untrash/${location.searchParams.get('undo')}`, []);
  expect(await sizesIn(uuid)).toEqual({ 'a.txt': 2, stays: 2 });
});

test('what was brought back although the answer says otherwise is not brought back twice', async () => {
  const uuid = await collectionOf(['a.txt', 'b.txt']);
  const chosen = ['a.txt', 'b.txt'].map((name): [string, string] => ['encoded_files', name]);
  const { location } = await submit(`/workspace/file/${uuid}`, [['action', 'delete'], ['dir', 'd'], ...chosen]);
  const copy = location.searchParams.get('undo') ?? '';
  const { api } = service.deps;
  if (api?.mode !== 'embedded') throw new Error('there are no collections');
  const { commits } = api;
  const edit = commits.edit;
  commits.edit = async (...asked) => {
    await edit(...asked);
    throw new KeepError('unavailable');
  };
  await expect(submit(`/workspace/untrash/${copy}`, [])).rejects.toThrow('503');
  commits.edit = edit;
  await submit(`/workspace/untrash/${copy}`, []);
  expect(Object.keys(await sizesIn(uuid))).toEqual(['a.txt', 'b.txt', 'stays']);
});
