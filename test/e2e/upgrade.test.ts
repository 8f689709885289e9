import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, test, vi } from 'vitest';
import { ROOT } from '../../dev/serve.ts';
import { api, createToken, createUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { blockOf, putBlock, request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

/**
 * The drill before a release: the last release's own code, from git, fills a state; this code takes it over; the last release
 * runs on the new schema; and this code comes back.
 */
const LAST_RELEASE = '733a0b79789b16309ae043b74c00020232d16718'; // 0.1.0

vi.setConfig({ testTimeout: 180_000 });

const hasHistory = (() => {
  try {
    execFileSync('git', ['cat-file', '-e', `${LAST_RELEASE}^{commit}`], { cwd: ROOT, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** A wrangler.toml for the release's sources, which lie where imports find this checkout's packages. */
function oldRelease(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const archive = execFileSync('git', ['archive', LAST_RELEASE, 'src', 'migrations', 'wrangler.toml'], {
    cwd: ROOT,
    maxBuffer: 64 << 20,
  });
  execFileSync('tar', ['-x', '-C', directory], { input: archive });
  const path = relative(ROOT, directory);
  const file = join(directory, 'wrangler.toml');
  const toml = readFileSync(file, 'utf8')
    .replace('main = "src/', `main = "${path}/src/`)
    .replace('migrations_dir = "migrations"', `migrations_dir = "${path}/migrations"`);
  writeFileSync(file, toml);
  return file;
}

test.skipIf(!hasHistory)(
  'a state of the last release is taken over, and both versions run on the new schema',
  async () => {
    const state = mkdtempSync(join(tmpdir(), 'keep-edge-upgrade-'));
    const sources = join(ROOT, 'node_modules/.cache', `keep-edge-release-${process.pid}`);
    const during = async <T>(run: (service: TestService) => Promise<T>, configFile?: string) => {
      await using service = await startService({ state, ...(configFile === undefined ? {} : { configFile }) });
      return await run(service);
    };
    try {
      const old = oldRelease(sources);
      const made = await during(async (service) => {
        const user = await createUser(service, 'early');
        const revoked = await createToken(service, user.uuid);
        const { uuid: tokenUuid } = { uuid: revoked.split('/')[1] };
        await api(service, `api_client_authorizations/${tokenUuid}`, { method: 'DELETE' });
        const project = { group: { name: 'early project', group_class: 'project' } };
        const { json } = await api(service, 'groups', { token: user.token, body: project });
        const locator = await putBlock(service.url, blockOf('kept over the upgrade'));
        const text = `. ${locator.split('+A')[0]} 0:21:file.txt\n`;
        const { uuid } = await createCollection(service, text, { owner_uuid: json.uuid, name: 'early' });
        return { user, revoked, project: json.uuid as string, uuid };
      }, old);
      const intact = async (service: TestService) => {
        const { token } = made.user;
        const file = await request(`${service.url}/c=${made.uuid}/file.txt`, { token });
        expect([file.status, file.text]).toEqual([200, 'kept over the upgrade']);
        expect((await api(service, `groups/${made.project}`, { token })).json.name).toBe('early project');
        expect((await api(service, 'users/current', { token: made.revoked })).status).toBe(401);
      };
      const isBackedUp = async (service: TestService) => {
        await service.scheduled();
        const { text } = await request(`${service.url}/keep-edge/v1/backup`);
        expect(JSON.parse(text)).toMatchObject({
          pending: 0,
          collections_complete: true,
          snapshot: { rows: expect.any(Number) },
        });
      };

      await during(async (service) => {
        await intact(service);
        const put = await request(`${service.url}/c=${made.uuid}/new.txt`, {
          method: 'PUT',
          body: 'new',
          token: made.user.token,
        });
        expect(put.status).toBe(201);
        await isBackedUp(service);
        expect((await service.r2('MANIFESTS').list(`backups/collections/${made.uuid}/`)).length).toBeGreaterThan(0);
      });

      const byOld = await during(async (service) => {
        await intact(service);
        const added = await request(`${service.url}/c=${made.uuid}/new.txt`, { token: made.user.token });
        expect([added.status, added.text]).toEqual([200, 'new']);
        const later = await createUser(service, 'later');
        const { uuid } = await createCollection(service, '. d41d8cd98f00b204e9800998ecf8427e+0 0:0:empty\n');
        return { later, uuid };
      }, old);

      await during(async (service) => {
        await intact(service);
        expect((await api(service, 'users/current', { token: byOld.later.token })).json.username).toBe('later');
        expect((await api(service, `collections/${byOld.uuid}`)).status).toBe(200);
        // What the old version changed was noted by the database, and is written now.
        await isBackedUp(service);
      });
    } finally {
      rmSync(state, { recursive: true, force: true });
      rmSync(sources, { recursive: true, force: true });
    }
  },
);
