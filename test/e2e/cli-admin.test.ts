import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api } from '../support/api.ts';
import { type Cli, cliFor, treeDigest } from '../support/cli.ts';
import { blockOf, request } from '../support/keep.ts';
import { s3Keys, s3Request } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';

/** What admins, and users for themselves, do from the command line. */

vi.setConfig({ testTimeout: 120_000 });

/** As good as random ones: doctor judges them. */
const SECRETS = Object.fromEntries(
  ['SYSTEM_ROOT_TOKEN', 'MANAGEMENT_TOKEN', 'BLOB_SIGNING_KEY'].map((name) => [
    name,
    createHash('sha256').update(name).digest('hex'),
  ]),
);

let service: TestService;
let admin: Cli;
let ada: Cli;
beforeAll(async () => {
  service = await startService({ vars: { TOKEN_CACHE_TTL: '1s', ...SECRETS } });
  admin = await cliFor(service, 'boss');
  ada = await cliFor(service, 'ada');
  const boss = JSON.parse((await asRoot('user', 'admin', 'boss', '--json')).stdout);
  expect(boss.is_admin).toBe(true);
});
afterAll(async () => {
  await service.stop();
  for (const cli of [admin, ada]) await cli[Symbol.asyncDispose]();
});

async function asRoot(...args: string[]) {
  admin.env.ARVADOS_API_TOKEN = service.rootToken;
  return admin.run(...args).finally(() => {
    admin.env.ARVADOS_API_TOKEN = admin.token;
  });
}

async function withToken<T>(cli: Cli, token: string, run: () => Promise<T>): Promise<T> {
  cli.env.ARVADOS_API_TOKEN = token;
  return run().finally(() => {
    cli.env.ARVADOS_API_TOKEN = cli.token;
  });
}

test('an admin adds, lists and deactivates users, as lines of fields in a pipe', async () => {
  const [uuid] = (await admin.ok('user', 'add', 'grace', '--full-name', 'Grace Hopper', '--email', 'g@x.org')).split(
    '\t',
  );
  expect(await admin.ok('user', 'list')).toContain(`${uuid}\tgrace\tactive\tGrace Hopper\tg@x.org`);
  const token = await admin.ok('token', 'make', '--user', 'grace', '--expires', '1d');
  expect((await api(service, 'users/current', { token })).json.username).toBe('grace');
  expect(await admin.ok('user', 'deactivate', 'grace')).toContain('\tdeactivated\t');
  expect((await api(service, 'users/current', { token })).status).toBe(403);
  expect((await ada.run('user', 'add', 'mallory')).code).toBe(1);
});

test('doctor looks at the deployment for an admin, tries each volume, and finds all well once the cron was there', async () => {
  await service.scheduled();
  const { code, stdout } = await admin.run('doctor', '--mib', '1');
  expect([code, stdout]).toEqual([0, expect.stringContaining('All is well.')]);
  for (const line of [
    'ok   bindings: DB, SEARCH, MANIFESTS',
    'ok   database DB: all migrations are applied',
    'ok   secrets: SYSTEM_ROOT_TOKEN, MANAGEMENT_TOKEN, BLOB_SIGNING_KEY are set',
    'ok   volume xedge-nyw5e-000000000000000 (r2://xedge-nyw5e-000000000000000): takes an object and deletes it',
    'ok   cron: last seen',
    'ok   backups: the last snapshot of accounts is from',
    '?    balancing: no run has ended yet',
  ])
    expect(stdout).toContain(line);
  await expect.poll(() => service.r2('BLOCKS').list('unnamed/')).toEqual([]);
  const lines = (await admin.ok('doctor', '--no-write', '--json')).split('\n').map((line) => JSON.parse(line));
  expect(lines).toContainEqual({
    state: 'good',
    what: expect.stringMatching(/^volume \S+ \(\S+\): answers, in \d+ ms$/),
  });
  expect(await ada.ok('doctor', '--no-write')).toContain("?    deployment: not looked at, because only an admin's");
});

test('the deployment is told to admins and the management token, without a value of a secret', async () => {
  const ask = (token: string, method = 'GET') => request(`${service.url}/keep-edge/v1/deployment`, { token, method });
  const told = await ask(service.managementToken);
  expect([told.status, told.text]).toEqual([200, expect.stringContaining('"MANAGEMENT_TOKEN"')]);
  for (const value of Object.values(SECRETS)) expect(told.text).not.toContain(value);
  expect((await ask(admin.token)).status).toBe(200);
  expect((await ask(ada.token)).status).toBe(403);
  expect((await ask(service.managementToken, 'POST')).status).toBe(401);
  expect((await ask('x'.repeat(40))).status).toBe(401);
});

test('a token for one collection reads that one and no other, and ends when it is revoked', async () => {
  const [one, other] = [join(ada.home, 'one'), join(ada.home, 'other')];
  await writeFile(one, 'one');
  await writeFile(other, 'other');
  const [open, closed] = [await ada.ok('put', one), await ada.ok('put', other)];
  const token = await ada.ok('token', 'make', '--read', open, '--expires', '30d');
  await withToken(ada, token, async () => {
    expect(await ada.ok('cat', `${open}/one`)).toBe('one');
    expect((await ada.run('cat', `${closed}/other`)).code).toBe(1);
    expect((await ada.run('put', one)).code).toBe(1);
    expect((await ada.run('token', 'make')).code).toBe(1);
  });
  const uuid = token.split('/')[1] ?? '';
  expect(await ada.ok('token', 'list')).toMatch(new RegExp(`${uuid}\t\\S+\t\\d{4}-\\S+\tonly read ${open}`));
  expect(await ada.ok('token', 'revoke', uuid)).toBe(`${uuid} is revoked.`);
  expect((await withToken(ada, token, () => ada.run('cat', `${open}/one`))).code).toBe(1);
});

test('a token that may only upload puts a collection, and reads nothing of its owner', async () => {
  const file = join(ada.home, 'delivered');
  await writeFile(file, 'delivered');
  const mine = await ada.ok('put', file);
  const token = await ada.ok('token', 'make', '--upload-only', '--expires', '12h');
  await withToken(ada, token, async () => {
    expect(await ada.ok('put', file, '--name', 'by machine')).toMatch(/4zz18/);
    expect((await ada.run('cat', `${mine}/delivered`)).code).toBe(1);
    expect((await ada.run('token', 'list')).code).toBe(1);
  });
  expect((await ada.run('token', 'make', '--upload-only', '--read', mine)).code).toBe(2);
});

test('limited tokens are held to their limits by every protocol', async () => {
  const [one, other] = [join(ada.home, 'alpha'), join(ada.home, 'beta')];
  await writeFile(one, 'alpha');
  await writeFile(other, 'beta');
  const [open, closed] = [await ada.ok('put', one), await ada.ok('put', other)];
  const pdhOf = async (uuid: string) => (await api(service, `collections/${uuid}`)).json.portable_data_hash as string;
  const drsId = (pdh: string, name: string) => `${pdh.replace('+', '-')}.${name}`;
  const [openPdh, closedPdh] = [await pdhOf(open), await pdhOf(closed)];
  const isRefused = [401, 403, 404];
  const statusOf = async (token: string, method: string, path: string, body?: string) =>
    (await request(`${service.url}/${path}`, { token, method, ...(body === undefined ? {} : { body }) })).status;
  const s3Of = async (token: string, path: string, method = 'GET', body?: string) => {
    const keys = await s3Keys(service, token);
    return (await s3Request(service, path, { method, keys, ...(body === undefined ? {} : { body }) })).status;
  };

  const reader = await ada.ok('token', 'make', '--read', open, '--read', openPdh, '--expires', '1d');
  const machine = await ada.ok('token', 'make', '--upload-only', '--expires', '1d');
  const viewer = await ada.ok('token', 'make', '--read-only', '--expires', '1d');
  expect(await statusOf(reader, 'GET', `c=${open}/alpha`)).toBe(200);
  expect(await statusOf(reader, 'PROPFIND', `c=${open}/`)).toBe(207);
  expect(await s3Of(reader, `/${open}/alpha`)).toBe(200);
  expect(await statusOf(reader, 'GET', `ga4gh/drs/v1/objects/${drsId(openPdh, 'alpha')}`)).toBe(200);
  expect(await statusOf(viewer, 'GET', `c=${closed}/beta`)).toBe(200);
  expect(await s3Of(viewer, `/${closed}/beta`)).toBe(200);

  const reads: [string, string][] = [
    ['GET', `c=${closed}/beta`],
    ['GET', `c=${closedPdh}/beta`],
    ['PROPFIND', `c=${closed}/`],
    ['GET', `ga4gh/drs/v1/objects/${drsId(closedPdh, 'beta')}`],
    ['GET', `arvados/v1/collections/${closed}`],
    ['GET', 'arvados/v1/collections'],
    ['GET', 'arvados/v1/api_client_authorizations'],
    ['GET', 'arvados/v1/search?q=beta'],
    ['GET', 'keep-edge/v1/deployment'],
  ];
  for (const token of [reader, machine])
    for (const [method, path] of reads)
      if (token === reader || path !== 'arvados/v1/collections')
        expect.soft([path, isRefused.includes(await statusOf(token, method, path))]).toEqual([path, true]);
  const lists = await api(service, 'collections', { token: machine });
  expect(lists.status === 200 ? lists.json.items : []).toEqual([]);
  for (const token of [reader, machine]) {
    expect.soft(isRefused).toContain(await s3Of(token, `/${closed}/beta`));
    expect.soft(isRefused).toContain(await s3Of(token, `/${closed}?list-type=2`));
  }

  const writes: [string, string, string?][] = [
    ['PUT', `c=${open}/alpha`, 'changed'],
    ['DELETE', `c=${open}/alpha`],
    ['MKCOL', `c=${open}/new`],
    ['POST', 'arvados/v1/links', '{}'],
    ['POST', 'arvados/v1/api_client_authorizations', '{}'],
    ['POST', 'arvados/v1/sharing_links', JSON.stringify({ sharing_link: { collection_uuid: open } })],
    ['DELETE', `arvados/v1/collections/${open}`],
  ];
  for (const token of [reader, viewer, machine]) {
    for (const [method, path, body] of writes)
      expect.soft([path, isRefused.includes(await statusOf(token, method, path, body))]).toEqual([path, true]);
    expect.soft(isRefused).toContain(await s3Of(token, `/${open}/alpha`, 'PUT', 'changed'));
    expect.soft(isRefused).toContain(await s3Of(token, `/${open}/alpha`, 'DELETE'));
  }
  for (const token of [reader, viewer]) expect.soft(await statusOf(token, 'PUT', blockOf('new').hash, 'new')).toBe(403);
  expect(await ada.ok('cat', `${open}/alpha`)).toBe('alpha');
});

test('members of a group see what is shared with it, until they are removed', async () => {
  const file = join(admin.home, 'shared');
  await writeFile(file, 'shared');
  const uuid = await admin.ok('put', file);
  await admin.ok('group', 'make', 'lab');
  await admin.ok('share', uuid, '--with', 'lab');
  expect((await ada.run('cat', `${uuid}/shared`)).code).toBe(1);
  await admin.ok('group', 'add', 'lab', 'ada');
  expect(await admin.ok('group', 'members', 'lab')).toContain('\tada');
  await vi.waitFor(async () => expect((await ada.run('cat', `${uuid}/shared`)).stdout).toBe('shared'), 20_000);
  await admin.ok('group', 'remove', 'lab', 'ada');
  await vi.waitFor(async () => expect((await ada.run('cat', `${uuid}/shared`)).code).toBe(1), 20_000);
});

test('a cluster that is exported and imported elsewhere has its projects, collections, bytes and permissions, also when it is repeated or was killed', async () => {
  const directory = join(admin.home, 'exported');
  const { json } = await api(service, 'groups', {
    token: ada.token,
    body: { group: { name: 'study', group_class: 'project' } },
  });
  const tree = join(ada.home, 'tree');
  await mkdir(tree);
  // A name that looks like the locator of its own content.
  const content = 'exported';
  await writeFile(join(tree, blockOf(content).locator), content);
  await writeFile(join(tree, 'large'), randomBytes(3_000_000));
  await ada.ok('put', `${tree}/`, '--project-uuid', json.uuid, '--name', 'moved');
  const first = await admin.run('export', directory, '--json');
  expect(first.code).toBe(0);
  const again = JSON.parse((await admin.run('export', directory, '--json')).stdout);
  expect(again).toMatchObject({ blocks: 0, failed: 0, collections: JSON.parse(first.stdout).collections });
  expect((await admin.run('import', tree)).stderr).toContain('holds no export');

  await using other = await startService({ vars: { CLUSTER_ID: 'other', ...SECRETS } });
  const importThere = async () => {
    admin.env.ARVADOS_API_HOST = other.url;
    const { code, stdout, stderr } = await asRoot('import', directory, '--json');
    admin.env.ARVADOS_API_HOST = service.url;
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(stdout);
  };
  const none = { users: 0, projects: 0, collections: 0, links: 0, failed: 0 };
  expect(await importThere()).toMatchObject({ collections: again.collections, failed: 0 });
  expect(await importThere()).toMatchObject(none);
  // Killed after the last record was made, and before that was noted.
  const notes = join(directory, 'imported-to-other.jsonl');
  const lines = (await readFile(notes, 'utf8')).split('\n').filter(Boolean);
  const moved = (await api(other, 'collections', { query: { filters: [['name', '=', 'moved']] } })).json.items;
  await writeFile(notes, lines.filter((line) => !line.includes(moved[0].uuid)).join('\n'));
  expect(await importThere()).toMatchObject({ ...none, collections: 1 });
  const found = await api(other, 'collections', { query: { filters: [['name', 'ilike', 'moved%']] } });
  expect(found.json.items).toHaveLength(1);
  const [collection] = found.json.items;
  expect((await api(other, `groups/${collection.owner_uuid}`)).json.name).toBe('study');

  const back = join(admin.home, 'back');
  admin.env.ARVADOS_API_HOST = other.url;
  await asRoot('get', collection.uuid, back);
  admin.env.ARVADOS_API_HOST = service.url;
  expect(treeDigest(back)).toEqual(treeDigest(tree));

  // Of a user that the token of the export did not see, and a project in it.
  const lonely = { uuid: 'xedge-j7d0g-0000000000lonel', owner_uuid: 'xedge-tpzed-0000000unknown0' };
  const inside = { uuid: 'xedge-j7d0g-0000000000insid', owner_uuid: lonely.uuid };
  const rows = [inside, lonely].map((row) => `${JSON.stringify({ ...row, name: 'x', group_class: 'project' })}\n`);
  await appendFile(join(directory, 'groups.jsonl'), rows.join(''));
  admin.env.ARVADOS_API_HOST = other.url;
  const orphans = await asRoot('import', directory, '--json');
  admin.env.ARVADOS_API_HOST = service.url;
  expect([orphans.code, JSON.parse(orphans.stdout)]).toEqual([1, expect.objectContaining({ ...none, failed: 2 })]);
  for (const { uuid, owner_uuid } of [inside, lonely])
    expect(orphans.stderr).toContain(`${uuid}: its owner ${owner_uuid} was not imported`);
});

test('check tells lost blocks from those that could not be looked at, which it tries again', async () => {
  const contents = ['kept', 'gone', 'wrong'];
  for (const content of contents) {
    const file = join(ada.home, content);
    await writeFile(file, content);
    await ada.ok('put', file);
  }
  const check = async (...args: string[]) => {
    const { code, stdout, stderr } = await ada.run('check', '--json', '--retries', '0', ...args);
    return { code, stderr, result: stdout === '' ? null : JSON.parse(stdout) };
  };
  const dead = 'http://127.0.0.1:9';
  ada.env.ARVADOS_KEEP_SERVICES = dead;
  const blind = await check('--whole');
  expect([blind.code, blind.result.lost]).toEqual([3, []]);
  expect(blind.result.not_reached.blocks).toBeGreaterThanOrEqual(3);
  delete ada.env.ARVADOS_KEEP_SERVICES;
  const good = await check('--whole');
  expect([good.code, good.result.not_reached.blocks]).toEqual([0, 0]);
  expect(good.result.confidence).toContain('Every block was read whole');

  const bucket = service.r2('BLOCKS');
  const keyOf = (content: string) => `${blockOf(content).hash.slice(0, 3)}/${blockOf(content).hash}`;
  await bucket.delete(keyOf('gone'));
  await bucket.put(keyOf('wrong'), new TextEncoder().encode('WRONG'));
  const lostIn = ({ lost }: { lost: { locator: string; what: string }[] }) =>
    lost.map(({ locator, what }) => `${locator} ${what}`).sort();
  const both = [
    `${blockOf('gone').hash}+4 no service has it`,
    `${blockOf('wrong').hash}+5 its content is wrong`,
  ].sort();
  const asked = await check();
  expect([asked.code, lostIn(asked.result), asked.result.lost_blocks]).toEqual([1, both, 2]);
  const read = await ada.run('check', '--whole', '--retries', '0');
  expect([read.code, read.stdout]).toEqual([1, expect.stringContaining(`LOST ${blockOf('gone').hash}+4`)]);
  expect(read.stderr).toContain('Not looked at: trash,');
  // A second service that is down may have what the first has not.
  ada.env.ARVADOS_KEEP_SERVICES = `${service.url} ${dead}`;
  const half = await check('--sample', '0', '--no-resume');
  delete ada.env.ARVADOS_KEEP_SERVICES;
  expect([half.code, half.result.lost, half.result.not_reached.blocks]).toEqual([3, [], 2]);
  const rest = await check('--sample', '0');
  expect([rest.code, lostIn(rest.result)]).toEqual([1, both]);
  expect((await check('nonsense')).code).toBe(2);
  ada.env.ARVADOS_API_HOST = dead;
  expect((await check().finally(() => (ada.env.ARVADOS_API_HOST = service.url))).code).toBe(3);
});
