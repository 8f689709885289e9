import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type Cli, cliFor, outputOf } from '../support/cli.ts';
import { LONE_FILE_BYTES } from '../support/killed-upload.ts';
import { startService, type TestService } from '../support/service.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { uploadLedger } from '../support/upload-ledger.ts';

/** "The same command goes on", whatever ended the first one, and never while the first one runs. */

const FILES = 4;

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

let service: TestService;
let proxy: TcpProxy;
let cli: Cli;
const children: ChildProcess[] = [];
beforeAll(async () => {
  service = await startService();
  proxy = await startTcpProxy(service.url);
  cli = await cliFor(service, 'locker');
  cli.env.ARVADOS_API_HOST = proxy.url;
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

function makeFiles(name: string): string {
  const directory = join(cli.home, name);
  mkdirSync(directory);
  for (let number = 0; number < FILES; number++)
    writeFileSync(join(directory, `file ${number}`), randomFillSync(new Uint8Array(LONE_FILE_BYTES)));
  return `${directory}/`;
}

function start(before: readonly string[], ...args: string[]): ChildProcess {
  const [program = '', ...rest] = [...before, ...cli.command, ...args];
  const child = spawn(program, rest, { env: cli.env, cwd: cli.home });
  children.push(child);
  return child;
}

const lockFile = () => {
  const directory = join(cli.home, '.cache/keep-edge/put');
  return join(directory, readdirSync(directory).find((name) => name.endsWith('.lock')) ?? '');
};

/** Starts an upload and waits until it has stored a block and stands still, with its lock. */
async function startStalled(before: readonly string[], source: string) {
  const ledger = uploadLedger(service, cli);
  await ledger.look();
  const earlier = ledger.known.size;
  const child = start(before, 'put', source);
  await proxy.passed(2.5 * LONE_FILE_BYTES);
  proxy.stall();
  await ledger.look();
  return { child, ledger, stored: ledger.known.size - earlier };
}

async function goesOn(
  before: readonly string[],
  source: string,
  { ledger, stored }: Awaited<ReturnType<typeof startStalled>>,
) {
  const { code, stdout, stderr } = await outputOf(start(before, 'put', source, '--json'));
  expect({ code }, stderr).toEqual({ code: 0 });
  await ledger.look();
  expect(ledger.sentAgain).toEqual([]);
  expect(stored).toBeGreaterThan(0);
  expect(JSON.parse(stdout)).toMatchObject({ blocks_skipped: stored, blocks_sent: FILES - stored });
}

test('after SIGKILL below a parent that collects no children, the same command goes on', async () => {
  const source = makeFiles('zombie');
  // The shell becomes sleep, as the first process of many containers.
  const stalled = await startStalled(['sh', '-c', '"$@" & exec sleep 1000', 'sh'], source);
  const { pid } = JSON.parse(readFileSync(lockFile(), 'utf8'));
  process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect(readFileSync(`/proc/${pid}/stat`, 'latin1')).toContain(') Z '), 20_000);
  await goesOn([], source, stalled);
});

test('after a reboot, when its process number belongs to another program, the same command goes on', async () => {
  const source = makeFiles('rebooted');
  const stalled = await startStalled([], source);
  const lock = lockFile();
  const owner = JSON.parse(readFileSync(lock, 'utf8'));
  const ended = outputOf(stalled.child);
  stalled.child.kill('SIGKILL');
  await ended;
  writeFileSync(lock, JSON.stringify({ ...owner, boot: 'the one before', pid: process.pid }));
  await goesOn([], source, stalled);
});

test('in two containers, in which both are process 1: one runs at a time, and when it is killed the other goes on', async (context) => {
  const container = ['unshare', '--pid', '--fork', '--kill-child'];
  try {
    execFileSync(container[0] ?? '', [...container.slice(1), 'true'], { stdio: 'ignore' });
  } catch {
    return context.skip('needs the right to make a PID namespace');
  }
  const source = makeFiles('contained');
  const stalled = await startStalled(container, source);
  expect(JSON.parse(readFileSync(lockFile(), 'utf8')).pid).toBe(1);
  const refused = await outputOf(start(container, 'put', source));
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('Another keep-edge (process 1 on') });
  const ended = outputOf(stalled.child);
  stalled.child.kill('SIGKILL');
  await ended;
  await goesOn(container, source, stalled);
});
