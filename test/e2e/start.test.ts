import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../dev/serve.ts';
import { VERSION } from '../../src/keep/version.ts';
import { hasTool, tool } from '../support/tools.ts';

/** The first command of the README, in a copy of the checkout that was never started before. */
const PARTS = ['src', 'dev', 'migrations', 'wrangler.toml', 'package.json'];

describe.runIf(hasTool('curl'))('npm start in a fresh checkout', () => {
  let checkout: string;
  let child: ChildProcess;
  let said = '';

  beforeAll(async () => {
    checkout = await mkdtemp(join(tmpdir(), 'keep-edge-checkout-'));
    for (const part of PARTS) await cp(join(ROOT, part), join(checkout, part), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
    await start();
  });
  afterAll(async () => {
    await kill();
    await rm(checkout, { recursive: true, force: true });
  });

  test('says where it serves in one line, and makes secrets that only its user may read', async () => {
    expect(said).toMatch(/^Keep edge ready at http:\/\/127\.0\.0\.1:\d+ /m);
    const secrets = await readFile(join(checkout, '.dev.vars'), 'utf8');
    expect(secrets).toMatch(/^SYSTEM_ROOT_TOKEN=[0-9a-f]{64}$/m);
    expect(secrets).toMatch(/^BLOB_SIGNING_KEY=[0-9a-f]{64}$/m);
    expect(await shell('stat -c %a .dev.vars')).toBe('600\n');
    for (const [, secret] of secrets.matchAll(/^[A-Z_]+=(.+)$/gm)) expect(said).not.toContain(secret);
  });

  test('the commands that it prints put a block, get it back and show the mounts', async () => {
    const output = await shell(`set -e\n${commands().join('\n')}`);
    const [locator, text] = output.split('\n');
    expect(locator).toMatch(/^[0-9a-f]{32}\+11\+A[0-9a-f]{40}@[0-9a-f]{8}$/);
    expect(text).toContain('hello, keep');
    expect(text).toContain('"uuid":"xedge-nyw5e-000000000000000"');
  });

  test('the same commands take a random file of 64 MiB in and out byte for byte, and it outlives a power failure', async () => {
    const [token = '', put = '', get = ''] = commands();
    await shell('head -c 67108864 /dev/urandom > random.bin');
    const putFile = put.replace(/^printf [^;]*;/, '').replaceAll('hello.txt', 'random.bin');
    const locator = (await shell(`set -e\n${token}\n${putFile}`)).trim();
    expect(locator).toMatch(/\+67108864\+A/);
    const getFile = (url: string) => get.replace('$LOCATOR', locator).replace(/http:\/\/[^/]+/, url);
    await shell(`set -e\n${token}\n${getFile(address())} | cmp - random.bin`);
    await kill();
    await start();
    await shell(`set -e\n${token}\n${getFile(address())} | cmp - random.bin`);
  });

  test('says nothing before it is ready, and logs JSON into a pipe', async () => {
    expect(said.slice(0, said.indexOf('Keep edge ready'))).not.toContain('{');
    await shell(`curl -s ${address()}/for-the-log`);
    await waitFor(/^\{.*"reqPath":"for-the-log".*\}$/m);
  });

  test('tells its version to health checks and in every line of the log', async () => {
    const answer = await shell(
      `curl -s -H "Authorization: Bearer $(sed -n 's/^MANAGEMENT_TOKEN=//p' .dev.vars)" ${address()}/_health/ping`,
    );
    expect(JSON.parse(answer)).toEqual({ health: 'OK', version: VERSION });
    await waitFor(new RegExp(`"version":"${VERSION}".*"reqPath":"_health/ping"`));
  });

  test('keeps its state from other users, and refuses a second start on it', async () => {
    expect(await shell('stat -c %a .keep-edge')).toBe('700\n');
    const second = await shell('PORT=0 npm start 2>&1 || echo "exit code $?"');
    expect(second).toContain('Another npm start is running on .keep-edge.');
    expect(second).toContain('KEEP_EDGE_STATE=.keep-edge-2 PORT=8788 npm start');
    expect(second).toContain('exit code 1');
  });

  test.runIf(hasTool('script'))(
    'on a terminal it logs one readable line a request, and JSON when asked to',
    async () => {
      // script gives the command a terminal; the line appears twice, because script also copies it. Ctrl-C ends what
      // runs there: script that is killed would leave the service alive for a while, with its hand on the state.
      const asked = (options: string) =>
        shell(
          `rm -f keys; mkfifo keys
         KEEP_EDGE_STATE=other PORT=0 timeout -k 5 150 script -qefc 'npm start${options}' out.txt < keys > seen.txt & runner=$!
         exec 3> keys
         shown() { until grep "$1" seen.txt; do kill -0 $runner || { cat seen.txt >&2; exit 1; }; sleep 0.2; done; }
         shown /mounts > ready.txt
         curl -s "$(grep -o 'http://127.0.0.1:[0-9]*' seen.txt | head -1)/for-the-log"
         shown for-the-log
         printf '\\003' >&3; wait $runner || true`,
        );
      expect(await asked('')).toMatch(/^\d\d:\d\d:\d\d 404 GET \/for-the-log {2}\d+ ms\r?$/m);
      expect(await asked(' -- --json')).toMatch(/^\{.*"reqPath":"for-the-log".*\}\r?$/m);
    },
    // Two starts.
    300_000,
  );

  async function waitFor(pattern: RegExp): Promise<void> {
    while (!pattern.test(said)) await once(child.stdout as NodeJS.EventEmitter, 'data');
  }

  /** The three commands and the line before them, as a reader would paste them. */
  function commands(): string[] {
    const lines = said.split('\n').filter((line) => line.startsWith('  ') && /TOKEN\b.*(sed|curl)|curl/.test(line));
    expect(lines).toHaveLength(4);
    return lines.map((line) => line.trim());
  }

  function address(): string {
    return /ready at (\S+)/.exec(said)?.[1] ?? '';
  }

  function shell(script: string): Promise<string> {
    return tool('bash', ['-c', `set -o pipefail\n${script}`], { cwd: checkout });
  }

  async function start(): Promise<void> {
    said = '';
    child = spawn('npm', ['start'], {
      cwd: checkout,
      detached: true,
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    // The ready message ends with the last of its commands.
    while (!/\/mounts\n/.test(said)) {
      await Promise.race([once(child.stdout as NodeJS.EventEmitter, 'data'), once(child, 'exit')]);
      if (child.exitCode !== null) throw new Error(`npm start ended: ${said}`);
    }
  }

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    process.kill(-Number(child.pid), 'SIGKILL');
    await exited;
  }
});
