import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { takeLock, tryLock } from '../../../src/cli/lock.ts';
import { ownIdentity } from '../../../src/cli/process-identity.ts';

vi.setConfig({ testTimeout: 60_000 });

const TIMES = { beatMs: 50, patienceMs: 1_000 };
const LOCK = new URL('../../../src/cli/lock.ts', import.meta.url).href;

let file: string;
let directory: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keep-edge-lock-'));
  file = join(directory, 'one.lock');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

/** A process that takes the lock and says `held ITS-PID`, or why not. */
const HOLDER = `
  const { takeLock } = await import(${JSON.stringify(LOCK)});
  await takeLock(process.env.LOCK_FILE, 'at work', { times: ${JSON.stringify(TIMES)} }).then(
    () => console.log('held', process.pid),
    (error) => console.log('refused', error.message),
  );
  setInterval(() => undefined, 1000);`;

function start(command: string, ...args: string[]): ChildProcess {
  const env = { ...process.env, LOCK_FILE: file, HOLDER };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  children.push(child);
  return child;
}

const HOLD = ['--input-type=module', '--eval', HOLDER];
const startHolder = () => start(process.execPath, ...HOLD);

async function firstLine(child: ChildProcess): Promise<string> {
  const [line] = await once(createInterface({ input: child.stdout ?? process.stdin }), 'line');
  return String(line);
}

const take = () => takeLock(file, 'at work', { times: TIMES });

test('a lock that a live process holds is refused, and names the process', async () => {
  const holder = startHolder();
  expect(await firstLine(holder)).toBe(`held ${holder.pid}`);
  await expect(take()).rejects.toThrow(`process ${holder.pid} on`);
  expect(tryLock(file, TIMES)).toBeNull();
});

test('a lock that is given back is free, and leaves no file', async () => {
  const lock = await take();
  lock.check();
  lock.release();
  expect(existsSync(file)).toBe(false);
  (await take()).release();
});

test('SIGKILL frees a lock, also when the parent never collects the process (a zombie)', async () => {
  // The shell becomes sleep, which collects no children, as the first process of many containers.
  const parent = start('sh', '-c', '"$0" --input-type=module --eval "$HOLDER" & exec sleep 1000', process.execPath);
  const pid = Number((await firstLine(parent)).split(' ')[1]);
  process.kill(pid, 'SIGKILL');
  const ended = () => readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  await vi.waitFor(() => expect(ended()).toBe(true), 10_000);
  // It still answers signals.
  process.kill(pid, 0);
  const lock = tryLock(file);
  expect(lock).not.toBeNull();
  lock?.release();
});

test('a process that has got the number of a dead owner is not the owner', () => {
  writeFileSync(file, JSON.stringify({ ...ownIdentity(), start: '1' }));
  const lock = tryLock(file);
  expect(lock).not.toBeNull();
  lock?.release();
});

const elsewhere = {
  'before a reboot': { boot: 'another' },
  'another container, in which it is process 1 too': { namespace: 'pid:[1]', pid: 1 },
  'another container, in which it has our number': { namespace: 'pid:[1]' },
};
for (const [where, change] of Object.entries(elsewhere)) {
  test(`an owner ${where} is dead when it no longer touches its lock, and not before`, async () => {
    const text = JSON.stringify({ ...ownIdentity(), ...change });
    writeFileSync(file, text);
    const touching = setInterval(() => utimesSync(file, new Date(), new Date()), TIMES.beatMs);
    await expect(take()).rejects.toThrow('Another keep-edge');
    expect(tryLock(file, TIMES)).toBeNull();
    clearInterval(touching);
    const lock = await take();
    expect(readFileSync(file, 'utf8')).not.toBe(text);
    lock.release();
  });
}

test('an owner that was not heard of for long loses its lock at once', () => {
  writeFileSync(file, JSON.stringify({ ...ownIdentity(), boot: 'another' }));
  const before = new Date(Date.now() - 60_000);
  utimesSync(file, before, before);
  const lock = tryLock(file);
  expect(lock).not.toBeNull();
  lock?.release();
});

for (const [what, text] of [
  ['is still empty', ''],
  ['holds something else', '{"half'],
  ['names a live process, as version 0.1 wrote it', String(process.ppid)],
]) {
  test(`a lock file that ${what} is not free, until its owner had time to show itself`, async () => {
    writeFileSync(file, text ?? '');
    expect(tryLock(file, TIMES)).toBeNull();
    (await take()).release();
  });
}

test('of several processes that find a dead lock, one gets it', async () => {
  writeFileSync(file, String(2 ** 22 + 1));
  const lines = await Promise.all(Array.from({ length: 6 }, () => firstLine(startHolder())));
  expect(lines.filter((line) => line.startsWith('held'))).toHaveLength(1);
  expect(lines.filter((line) => line.startsWith('refused'))).toHaveLength(5);
});

test('a process that was killed while it removed a dead lock keeps others waiting for a while only', async () => {
  writeFileSync(file, String(2 ** 22 + 1));
  writeFileSync(`${file}.removing`, '');
  expect(tryLock(file, TIMES)).toBeNull();
  const lock = await take();
  lock.check();
  expect(existsSync(`${file}.removing`)).toBe(false);
  lock.release();
});

test('an owner whose lock was taken over is told, and does not take it away from the new one', async () => {
  const lock = await take();
  const text = JSON.stringify({ ...ownIdentity(), boot: 'another' });
  rmSync(file);
  writeFileSync(file, text);
  await vi.waitFor(() => expect(() => lock.check()).toThrow('taken over'), 10_000);
  lock.release();
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test('a lock file that is deleted while it is held comes back', async () => {
  const lock = await take();
  rmSync(file);
  await vi.waitFor(() => expect(existsSync(file)).toBe(true), 10_000);
  lock.check();
  lock.release();
});
