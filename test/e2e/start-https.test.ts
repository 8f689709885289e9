import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../dev/serve.ts';
import { MANAGEMENT_TOKEN, ROOT_TOKEN, SIGNING_KEY } from '../support/service.ts';

describe('npm start -- --https', () => {
  let state: string;
  let first: string;
  let child: ChildProcess;

  beforeAll(async () => {
    state = await mkdtemp(join(tmpdir(), 'keep-edge-'));
    const secrets = { SYSTEM_ROOT_TOKEN: ROOT_TOKEN, MANAGEMENT_TOKEN, BLOB_SIGNING_KEY: SIGNING_KEY };
    await writeFile(join(state, 'vars.json'), JSON.stringify(secrets));
    first = await start();
  });
  afterAll(async () => {
    await stop();
    await rm(state, { recursive: true });
  });

  async function start(): Promise<string> {
    const flags = ['dev/start.ts', '--https', '--vars', join(state, 'vars.json')];
    child = spawn(process.execPath, flags, { cwd: ROOT, env: { ...process.env, PORT: '0', KEEP_EDGE_STATE: state } });
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    while (!said.includes('/mounts\n')) await once(child.stdout as NodeJS.EventEmitter, 'data');
    return said;
  }

  async function stop(): Promise<void> {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }

  const ask = async (host: string, token: string) => {
    const sent = request(`https://${host}/arvados/v1/users/current`, {
      rejectUnauthorized: false,
      headers: { Authorization: `Bearer ${token}` },
    });
    sent.end();
    const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
    return { status: response.statusCode, user: JSON.parse(await text(response)) as Record<string, unknown> };
  };
  const hostIn = (said: string) => /^ {2}export ARVADOS_API_HOST=(\S+)$/m.exec(said)?.[1] ?? '';

  test('makes an admin user at first start and prints a token that works, once', async () => {
    const token = /^ {2}(v2\/\S+)$/m.exec(first)?.[1] ?? '';
    expect((await ask(hostIn(first), token)).user).toMatchObject({ username: 'admin', is_admin: true });
    expect(first).toMatch(/^ {2}export ARVADOS_API_TOKEN=\$\(cat \S*admin-token\)$/m);
    expect(first).toMatch(/^ {2}export ARVADOS_API_HOST_INSECURE=1$/m);
    expect((await stat(join(state, 'admin-token'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(state, 'https-key.pem'))).mode & 0o777).toBe(0o600);

    await stop();
    const second = await start();
    expect(second).not.toContain(token);
    expect(second).not.toContain('v2/');
    expect((await ask(hostIn(second), token)).status).toBe(200);
  });
});
