import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../dev/serve.ts';
import { api, createUser } from '../support/api.ts';
import { startService } from '../support/service.ts';

const all = (await readdir(join(ROOT, 'migrations'))).sort();
/** Accounts can be made after the first migration; every later one finds them. */
const steps = all.map((_, index) => index + 1).filter((count) => count < all.length);

test.each(steps)('a database with %i migrations and data in it takes the rest and loses nothing', async (count) => {
  const directory = await mkdtemp(join(tmpdir(), 'keep-edge-'));
  const [state, migrations, configFile] = ['state', 'migrations', 'wrangler.toml'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  await mkdir(migrations);
  const copy = (names: string[]) =>
    Promise.all(names.map((name) => cp(join(ROOT, 'migrations', name), join(migrations, name))));
  const toml = await readFile(join(ROOT, 'wrangler.toml'), 'utf8');
  await writeFile(
    configFile,
    toml.replace('migrations_dir = "migrations"', `migrations_dir = "${relative(ROOT, migrations)}"`),
  );

  await copy(all.slice(0, count));
  const before = await startService({ state, configFile });
  const user = await createUser(before, 'early');
  const made = await api(before, 'collections', { token: user.token, body: { collection: { name: 'early' } } });
  await before.stop();

  await copy(all);
  const after = await startService({ state, configFile });
  expect((await api(after, 'users/current', { token: user.token })).json.uuid).toBe(user.uuid);
  if (made.status === 200) {
    expect((await api(after, `collections/${made.json.uuid}`, { token: user.token })).json.name).toBe('early');
  }
  expect((await api(after, 'collections', { token: user.token, body: { collection: { name: 'late' } } })).status).toBe(
    200,
  );
  expect((await api(after, 'logs', { token: user.token, body: { log: { event_type: 'x' } } })).status).toBe(200);
  await after.stop();
  await rm(directory, { recursive: true });
});
