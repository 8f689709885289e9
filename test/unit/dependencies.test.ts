import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../dev/serve.ts';

/** `npm run dependencies` as CI runs it, before a registry that says what the test wants. */
describe('the check of dependencies', () => {
  let copy: string;
  let answer: { status: number; body: unknown };
  const registry = createServer((request, response) => {
    const isAudit = request.url?.includes('/security/') ?? false;
    response.writeHead(isAudit ? answer.status : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isAudit ? answer.body : {}));
  });

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'keep-edge-dependencies-'));
    for (const name of ['dev', 'package.json', 'package-lock.json'])
      await cp(join(ROOT, name), join(copy, name), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    registry.listen(0, '127.0.0.1');
    await once(registry, 'listening');
  });
  afterAll(async () => {
    registry.close();
    await rm(copy, { recursive: true, force: true });
  });

  async function check() {
    const { port } = registry.address() as AddressInfo;
    const child = spawn(process.execPath, [join(copy, 'dev/dependencies.ts')], {
      cwd: copy,
      env: { ...process.env, npm_config_registry: `http://127.0.0.1:${port}/`, npm_config_cache: join(copy, 'cache') },
    });
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: code as number, said: out + err };
  }

  test('passes without known holes, and says loudly when the registry cannot tell', async () => {
    answer = { status: 200, body: {} };
    const good = await check();
    expect(good).toMatchObject({ code: 0, said: expect.stringContaining('dependencies are as they should be') });
    expect(good.said).not.toContain('NOT AUDITED');
    answer = { status: 405, body: { error: 'not here' } };
    expect(await check()).toMatchObject({ code: 0, said: expect.stringContaining('*** NOT AUDITED') });
  });

  test('fails for a severe hole in what is shipped', async () => {
    const hole = { id: 1, url: 'https://example.org/1', title: 'a hole', severity: 'high', vulnerable_versions: '*' };
    answer = { status: 200, body: { yaml: [{ ...hole, cwe: [], cvss: { score: 9, vectorString: null } }] } };
    expect(await check()).toMatchObject({ code: 1, said: expect.stringContaining('severe holes') });
  });

  test('fails for a licence that we may not pass on, a missing checksum, and a version that is not pinned', async () => {
    answer = { status: 200, body: {} };
    const original = await readFile(join(copy, 'package-lock.json'), 'utf8');
    const changed = async (change: (lock: { packages: Record<string, Record<string, unknown>> }) => void) => {
      const lock = JSON.parse(original);
      change(lock);
      await writeFile(join(copy, 'package-lock.json'), JSON.stringify(lock));
      return check();
    };
    const licence = await changed(({ packages }) =>
      Object.assign(packages['node_modules/yaml'] ?? {}, { license: 'GPL-3.0' }),
    );
    expect(licence).toMatchObject({ code: 1, said: expect.stringContaining('yaml: licence GPL-3.0') });
    const unsigned = await changed(({ packages }) => delete packages['node_modules/yaml']?.integrity);
    expect(unsigned).toMatchObject({ code: 1, said: expect.stringContaining('yaml: the lock file has no checksum') });
    await writeFile(join(copy, 'package-lock.json'), original);
    const own = await readFile(join(copy, 'package.json'), 'utf8');
    await writeFile(join(copy, 'package.json'), own.replace(/"yaml": "/, '"yaml": "^'));
    expect(await check()).toMatchObject({ code: 1, said: expect.stringContaining('yaml is not pinned') });
    await writeFile(join(copy, 'package.json'), own);
  });
});
