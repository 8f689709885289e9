import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api } from '../support/api.ts';
import { type Cli, cliFor, outputOf } from '../support/cli.ts';
import { startService, type TestService } from '../support/service.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

const MIB = 2 ** 20;
let service: TestService;
let cli: Cli;
beforeAll(async () => {
  service = await startService();
  cli = await cliFor(service, 'optional');
});
afterAll(async () => {
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

/** A command whose standard input is this. */
function pipe(bytes: Uint8Array | string, ...args: string[]) {
  const [program = '', ...rest] = [...cli.command, ...args];
  const child = spawn(program, rest, { env: cli.env, cwd: cli.home });
  child.stdin.write(bytes);
  return outputOf(child);
}

function makeTree(name: string, files: Record<string, string>): string {
  const directory = join(cli.home, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  return `${directory}/`;
}

const list = async (id: string) => (await cli.ok('ls', id)).split('\n').sort();

test('put - stores standard input of any length as one file', async () => {
  const bytes = randomFillSync(new Uint8Array(150 * MIB));
  const { code, stdout, stderr } = await pipe(bytes, 'put', '-', '--filename', 'reads/x.bam', '--json', '-j', '2');
  expect({ code }, stderr).toEqual({ code: 0 });
  const { uuid, ...result } = JSON.parse(stdout);
  expect(result).toMatchObject({ files: 1, bytes: bytes.byteLength, blocks_sent: 3 });
  expect(await cli.ok('ls', '-l', uuid)).toMatch(new RegExp(` ${bytes.byteLength} reads/x.bam$`));
  const target = join(cli.home, 'x.bam');
  await cli.ok('get', `${uuid}/reads/x.bam`, target);
  writeFileSync(join(cli.home, 'original'), bytes);
  expect((await cli.run('get', '--verify', `${uuid}/reads/x.bam`, join(cli.home, 'original'))).code).toBe(0);
});

test('standard input may be empty, is called stdin unless told otherwise, and updates a collection', async () => {
  const { stdout } = await pipe('', 'put', '-');
  const uuid = stdout.trim();
  expect(await cli.ok('ls', '-l', uuid)).toMatch(/ 0 stdin$/);
  await pipe('more', 'put', '-', '--update', uuid, '--filename', 'more');
  expect(await list(uuid)).toEqual(['more', 'stdin']);
  expect(await cli.ok('cat', `${uuid}/more`)).toBe('more');
});

test('a pipe of the shell is read as a stream; options for files are refused with one', async () => {
  const script = '"$0" "$1" put <(printf piped) --filename piped';
  const child = spawn('bash', ['-c', script, ...cli.command], { env: cli.env });
  const { stdout, stderr } = await outputOf(child);
  expect(await cli.ok('cat', `${stdout.trim()}/piped`), stderr).toBe('piped');
  for (const args of [
    ['-', '--dry-run'],
    ['-', 'other'],
    ['-', '--filename', '../x'],
    ['-', '--exclude', 'x'],
  ])
    expect((await pipe('', 'put', ...args)).code).toBe(2);
});

test('an interrupted stream leaves no collection', async () => {
  await using proxy = await startTcpProxy(service.url);
  const [program = '', ...rest] = [...cli.command, 'put', '-', '--save-every', '1', '--name', 'never'];
  const child = spawn(program, rest, { env: { ...cli.env, ARVADOS_API_HOST: proxy.url } });
  child.stdin.on('error', () => undefined);
  child.stdin.write(randomFillSync(new Uint8Array(140 * MIB)));
  await proxy.passed(70 * MIB);
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  const { json } = await api(service, 'collections', {
    token: cli.token,
    query: { filters: [['name', 'like', 'never%']] },
  });
  expect(json.items).toEqual([]);
});

test('--filename renames one file, and goes with no more', async () => {
  const tree = makeTree('renamed', { a: 'a', b: 'b' });
  const uuid = await cli.ok('put', `${tree}a`, '--filename', 'dir/z', '-q');
  expect(await list(uuid)).toEqual(['dir/z']);
  expect((await cli.run('put', tree, '--filename', 'z')).code).toBe(2);
  expect((await cli.run('put', `${tree}a`, `${tree}b`, '--filename', 'z')).code).toBe(2);
});

test('--portable-data-hash prints it, --trash-after sets the time', async () => {
  const tree = makeTree('dated', { a: 'a' });
  const hash = await cli.ok('put', tree, '--portable-data-hash', '--trash-after', '3', '--name', 'dated', '-q');
  expect(hash).toBe(await cli.ok('manifest', hash, '--pdh'));
  const { json } = await api(service, 'collections', {
    token: cli.token,
    query: { filters: [['name', '=', 'dated']] },
  });
  const days = (Date.parse(json.items[0].trash_at) - Date.now()) / 86_400_000;
  expect(Math.round(days)).toBe(3);
  for (const bad of ['0', 'soon', '-1h', '9999999999'])
    expect((await cli.run('put', tree, `--trash-after=${bad}`)).code).toBe(2);
});

test('--skip-existing makes no second collection of the same files, but one of others', async () => {
  const tree = makeTree('skipped', { a: 'a', 'd/b': 'b' });
  const first = JSON.parse(await cli.ok('put', tree, '--json', '--skip-existing'));
  const second = JSON.parse(await cli.ok('put', tree, '--json', '--skip-existing'));
  expect(first.existing).toBe(false);
  expect(second).toMatchObject({ uuid: first.uuid, existing: true });
  writeFileSync(`${tree}a`, 'changed');
  expect(JSON.parse(await cli.ok('put', tree, '--json', '--skip-existing')).uuid).not.toBe(first.uuid);
});

test('--update --skip-existing sends what the collection does not have in the same size', async () => {
  const uuid = await cli.ok('put', makeTree('older', { same: '1', longer: '22' }), '-q');
  const newer = makeTree('newer', { same: '9', longer: '333', 'dir/new': 'n' });
  const result = JSON.parse(await cli.ok('put', newer, '--update', uuid, '--skip-existing', '--json'));
  expect(result).toMatchObject({ files: 2, bytes: 4 });
  expect(await list(uuid)).toEqual(['dir/new', 'longer', 'same']);
  expect(await cli.ok('cat', `${uuid}/same`, `${uuid}/longer`)).toBe('1333');
});

test('--update keeps what others save meanwhile, and empty directories of ours empty no directory of theirs', async () => {
  await using proxy = await startTcpProxy(service.url);
  const uuid = await cli.ok('put', makeTree('base', { kept: 'k', 'full/x': 'x' }), '-q');
  const tree = makeTree('added', { ours: 'o', big: '' });
  mkdirSync(join(tree, 'full'));
  mkdirSync(join(tree, 'hollow'));
  writeFileSync(join(tree, 'big'), randomFillSync(new Uint8Array(40 * MIB)));
  const [program = '', ...rest] = [...cli.command, 'put', tree, '--update', uuid];
  const ended = outputOf(spawn(program, rest, { env: { ...cli.env, ARVADOS_API_HOST: proxy.url } }));
  await proxy.passed(20 * MIB);
  const theirs = await pipe('theirs', 'put', '-', '--filename', 'theirs', '--update', uuid);
  expect(theirs.code, theirs.stderr).toBe(0);
  const { code, stderr } = await ended;
  expect({ code }, stderr).toEqual({ code: 0 });
  expect(await list(uuid)).toEqual(['big', 'full/x', 'hollow/', 'kept', 'ours', 'theirs']);
});

test('an update of thousands of files puts new directories as a whole and leaves the others their files', async () => {
  const uuid = await cli.ok('put', makeTree('large base', { 'd/0001': 'old', 'd/other': 'o' }), '-q');
  const files = Object.fromEntries(
    Array.from({ length: 2_100 }, (_, index) => [
      `${index < 50 ? 'd' : 'new/e'}/${String(index).padStart(4, '0')}`,
      String(index),
    ]),
  );
  await cli.ok('put', makeTree('large', files), '--update', uuid, '-q');
  expect(await list(uuid)).toEqual([...Object.keys(files), 'd/other'].sort());
  expect(await cli.ok('cat', `${uuid}/d/0001`)).toBe('1');
  expect(await cli.ok('cat', `${uuid}/new/e/2099`)).toBe('2099');
});
