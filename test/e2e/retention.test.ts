import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../dev/serve.ts';
import { api, createToken, createUser, type Json } from '../support/api.ts';
import { startService } from '../support/service.ts';

const directories: string[] = [];
afterAll(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true }))));

/** Old rows, more than one statement deletes: 3,000 from 2020 and 10 from 2024, and 20 of who changed what. */
const OLD = `
  INSERT INTO uploads (hash, size, user_uuid, uploaded_at)
    SELECT 'acbd18db4cc2f85cedef654fccc4a4d8', 3, 'xedge-tpzed-000000000000000', iif(value < 3000, '2020', '2024') || '-01-01T00:00:00.000000000Z'
    FROM (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value < 3009) SELECT value FROM n);
  INSERT INTO logs (uuid, owner_uuid, event_at, created_at, modified_at, modified_by_user_uuid)
    SELECT 'xedge-57u5n-' || substr('000000000000000' || id, -15), user_uuid, uploaded_at, uploaded_at, uploaded_at, user_uuid FROM uploads;
  INSERT INTO logs (uuid, owner_uuid, event_at, created_at, modified_at, modified_by_user_uuid, is_audit)
    SELECT 'xedge-57u5n-audit' || substr('000000000000000' || id, -10), user_uuid, uploaded_at, uploaded_at, uploaded_at, user_uuid, 1 FROM uploads LIMIT 20;`;
const AGE_2022 = `${Math.floor((Date.now() - Date.parse('2022-01-01')) / 3_600_000)}h`;

/** A service with old rows. @param since when deletion by age began; the upgrade, unless given */
async function startOld(vars: Record<string, unknown>, since?: string) {
  const directory = await mkdtemp(join(tmpdir(), 'keep-edge-'));
  directories.push(directory);
  const migrations = join(directory, 'migrations');
  await cp(join(ROOT, 'migrations'), migrations, { recursive: true });
  const began = since === undefined ? '' : `UPDATE retention SET since = '${since}';`;
  await writeFile(join(migrations, '9999_old.sql'), `${OLD}\n${began}`);
  const configFile = join(directory, 'wrangler.toml');
  const toml = await readFile(join(ROOT, 'wrangler.toml'), 'utf8');
  const at = `migrations_dir = "${relative(ROOT, migrations)}"`;
  await writeFile(configFile, toml.replace('migrations_dir = "migrations"', at));
  return startService({ vars, configFile });
}

describe('logs, uploads and expired tokens', () => {
  test('stay for a year after the upgrade, however old they are', async () => {
    await using service = await startOld({});
    const user = await createUser(service, 'owner');
    await createToken(service, user.uuid, { expires_at: '2020-01-01' });
    await service.scheduled();
    expect(await counts(service)).toEqual({ logs: 3030, uploads: 3010, expired: 1 });
  });

  test('go by age, each by its own setting, whatever their number', async () => {
    await using service = await startOld(
      { LOGS_MAX_AGE: AGE_2022, AUDIT_MAX_AGE: '0', UPLOADS_MAX_AGE: AGE_2022 },
      '2019-01-01T00:00:00.000000000Z',
    );
    const user = await createUser(service, 'owner');
    await createToken(service, user.uuid, { expires_at: '2020-01-01' });
    await createToken(service, user.uuid, { expires_at: '2999-01-01' });
    await service.scheduled();
    expect(await counts(service)).toEqual({ logs: 30, uploads: 10, expired: 0 });
    const tokens = await api(service, 'api_client_authorizations', {
      query: { filters: [['owner_uuid', '=', user.uuid]] },
    });
    expect(tokens.json.items.map((token: Json) => token.expires_at).sort()).toEqual([
      '2999-01-01T00:00:00.000000000Z',
      null,
    ]);
  });

  test('stay for ever where the setting is 0', async () => {
    const vars = { LOGS_MAX_AGE: '0', AUDIT_MAX_AGE: AGE_2022, UPLOADS_MAX_AGE: '0s', EXPIRED_TOKENS_MAX_AGE: '0h' };
    await using service = await startOld(vars, '2019-01-01T00:00:00.000000000Z');
    const user = await createUser(service, 'owner');
    await createToken(service, user.uuid, { expires_at: '2020-01-01' });
    await service.scheduled();
    expect(await counts(service)).toEqual({ logs: 3010, uploads: 3010, expired: 1 });
  });
});

async function counts(service: Parameters<typeof api>[0]) {
  const count = async (path: string, filters: unknown[] = []) =>
    (await api(service, path, { query: { limit: 0, filters } })).json.items_available;
  return {
    logs: await count('logs', [['created_at', '<', '2025-01-01']]),
    uploads: await count('upload_log'),
    expired: await count('api_client_authorizations', [['expires_at', '<', '2025-01-01']]),
  };
}
