import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../dev/serve.ts';
import { api, createToken, createUser } from '../support/api.ts';
import { startService } from '../support/service.ts';

const all = (await readdir(join(ROOT, 'migrations'))).sort();
/** Accounts can be made after the first migration; every later one finds them. */
const steps = all.map((_, index) => index + 1).filter((count) => count < all.length);

const user = { uuid: 'xedge-tpzed-earlyearlyearly', token: 'v2/xedge-gj3su-earlyearlyearly/earlysecret' };
const COLLECTION = 'xedge-4zz18-earlyearlyearly';

/** A user, and once there are collections one that is two projects deep. */
function dataAfter(count: number): string {
  const record = "'2026-01-01T00:00:00.000000000Z', '2026-01-01T00:00:00.000000000Z', 'xedge-tpzed-000000000000000'";
  const times = 'created_at, modified_at, modified_by_user_uuid';
  const hash = createHash('sha256').update('earlysecret').digest('hex');
  const accounts = `INSERT INTO users (uuid, owner_uuid, username, ${times}) VALUES ('${user.uuid}', 'xedge-tpzed-000000000000000', 'early', ${record});
INSERT INTO tokens (uuid, owner_uuid, secret_sha256, ${times}) VALUES ('xedge-gj3su-earlyearlyearly', '${user.uuid}', '${hash}', ${record});
`;
  if (count === 1) return accounts;
  const projects = ['outer', 'inner'].map((name) => `xedge-j7d0g-${name.padEnd(15, '0')}`);
  return `${accounts}
INSERT INTO groups (uuid, owner_uuid, name, ${times}) VALUES ('${projects[0]}', '${user.uuid}', 'outer', ${record});
INSERT INTO groups (uuid, owner_uuid, name, ${times}) VALUES ('${projects[1]}', '${projects[0]}', 'inner', ${record});
INSERT INTO collections (uuid, owner_uuid, name, portable_data_hash, manifest_inline, manifest_bytes, file_count, file_size_total, ${times})
  VALUES ('${COLLECTION}', '${projects[1]}', 'early', 'd41d8cd98f00b204e9800998ecf8427e+0', '', 0, 0, 0, ${record});
`;
}

/** Starts on the `first` migrations, with `data` in the database, then, with the `extra` ones, on all of them. */
async function upgrade(first: string[], extra: Record<string, string> = {}, data = '') {
  const directory = await mkdtemp(join(tmpdir(), 'keep-edge-'));
  const [state, migrations, configFile] = ['state', 'migrations', 'wrangler.toml'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  await mkdir(migrations);
  const toml = await readFile(join(ROOT, 'wrangler.toml'), 'utf8');
  await writeFile(
    configFile,
    toml.replace('migrations_dir = "migrations"', `migrations_dir = "${relative(ROOT, migrations)}"`),
  );
  const copy = (names: string[]) =>
    Promise.all(names.map((name) => cp(join(ROOT, 'migrations', name), join(migrations, name))));
  await copy(first);
  if (data !== '') await writeFile(join(migrations, `${first.at(-1)}_data.sql`), data);
  return {
    before: await startService({ state, configFile }),
    async after() {
      for (const [name, sql] of Object.entries(extra)) await writeFile(join(migrations, name), sql);
      await copy(all);
      return startService({ state, configFile });
    },
    end: () => rm(directory, { recursive: true }),
  };
}

test.each(steps)('a database with %i migrations and data in it takes the rest and loses nothing', async (count) => {
  // What is there when a migration comes is what an earlier release wrote: the service of today wants today's schema.
  const upgraded = await upgrade(all.slice(0, count), {}, dataAfter(count));
  await upgraded.before.stop();

  const after = await upgraded.after();
  expect((await api(after, 'users/current', { token: user.token })).json.uuid).toBe(user.uuid);
  if (count > 1) {
    const found = await api(after, `collections/${COLLECTION}`, { token: user.token });
    expect([found.json.name, found.json.can_manage]).toEqual(['early', true]);
    const list = await api(after, 'collections', { token: user.token });
    expect(list.json.items.map((item: { uuid: string }) => item.uuid)).toEqual([COLLECTION]);
  }
  expect((await api(after, 'collections', { token: user.token, body: { collection: { name: 'late' } } })).status).toBe(
    200,
  );
  expect((await api(after, 'logs', { token: user.token, body: { log: { event_type: 'x' } } })).status).toBe(200);
  await after.stop();
  await upgraded.end();
});

test('times that earlier versions stored beyond the years 1 to 9999 are mended before they delete or admit anything', async () => {
  const withoutMending = all.filter((name) => name !== '0004_times.sql');
  const upgraded = await upgrade(withoutMending, {
    '0004_earlier.sql': `
      UPDATE collections SET trash_at = '9999-12-31T00:00:00.000000000Z', delete_at = '+010000-01-14T00:00:00.000000000Z' WHERE name = 'far';
      UPDATE collections SET trash_at = '2020-01-01T00:00:00.000000000Z', delete_at = '2020-02-01T00:00:00.000000000Z' WHERE name = 'due';
      UPDATE tokens SET expires_at = '-000001-12-31T23:00.000000000Z' WHERE scopes LIKE '%/early%';
      UPDATE tokens SET expires_at = '+010000-01-01T00:59.000000000Z' WHERE scopes LIKE '%/late%';`,
  });
  const { before } = upgraded;
  const owner = await createUser(before, 'owner');
  const make = async (name: string) =>
    (await api(before, 'collections', { token: owner.token, body: { collection: { name } } })).json.uuid;
  const [far, due] = [await make('far'), await make('due')];
  const early = await createToken(before, owner.uuid, { scopes: ['all', 'GET /early'] });
  const late = await createToken(before, owner.uuid, { scopes: ['all', 'GET /late'] });
  await before.stop();

  const after = await upgraded.after();
  await after.scheduled();
  const show = (uuid: string) => api(after, `collections/${uuid}`, { query: { include_trash: true } });
  expect((await show(far)).json).toMatchObject({
    trash_at: '9999-12-31T00:00:00.000000000Z',
    delete_at: '9999-12-31T23:59:59.999000000Z',
    is_trashed: false,
  });
  expect((await show(due)).status).toBe(404);
  expect((await api(after, 'users/current', { token: early })).status).toBe(401);
  expect((await api(after, 'users/current', { token: late })).status).toBe(200);
  await after.stop();
  await upgraded.end();
});
