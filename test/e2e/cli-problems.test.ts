import { execFileSync, spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { appendFile, chmod, mkdir, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api } from '../support/api.ts';
import { type Cli, cliFor, outputOf } from '../support/cli.ts';
import { LONE_FILE_BYTES } from '../support/killed-upload.ts';
import { startService, type TestService } from '../support/service.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

/** Files that cannot be stored, or not as they were found: each is named, the others are stored, the exit code is 1. */

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

let service: TestService;
let cli: Cli;
beforeAll(async () => {
  service = await startService();
  cli = await cliFor(service, 'unlucky', { bound: true });
});
afterAll(async () => {
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

async function makeDirectory(name: string): Promise<string> {
  const directory = join(cli.home, name);
  await mkdir(directory);
  return directory;
}

test('files and directories that may not be read are named; once they may, the same command completes the same collection', async () => {
  const source = await makeDirectory('locked');
  await mkdir(join(source, 'closed'));
  await writeFile(join(source, 'closed/inside'), 'inside');
  await writeFile(join(source, 'secret'), 'secret');
  await writeFile(join(source, 'open'), 'open');
  await chmod(join(source, 'secret'), 0o000);
  await chmod(join(source, 'closed'), 0o000);
  const first = await cli.run('put', `${source}/`, '--name', 'locked', '--json');
  expect(first.code).toBe(1);
  const { uuid, problems, files, bytes } = JSON.parse(first.stdout);
  expect(problems).toEqual([
    { path: join(source, 'closed'), what: 'permission denied' },
    { path: join(source, 'secret'), what: 'permission denied' },
  ]);
  expect({ files, bytes }).toEqual({ files: 1, bytes: 4 });
  expect(first.stderr).toContain(`NOT STORED: ${join(source, 'secret')}: permission denied`);
  expect(first.stderr).toContain('2 paths could not be stored');
  expect(await cli.ok('ls', uuid)).toBe('open');

  await chmod(join(source, 'secret'), 0o644);
  await chmod(join(source, 'closed'), 0o755);
  expect(await cli.ok('put', `${source}/`, '--name', 'locked')).toBe(uuid);
  expect((await cli.ok('ls', uuid)).split('\n')).toEqual(['open', 'secret', 'closed/inside']);
  const { json } = await api(service, `collections/${uuid}`);
  expect(json.name).toBe('locked');
});

test('a collection that lacked files and has been changed since is left alone', async () => {
  const source = await makeDirectory('changed since');
  await writeFile(join(source, 'open'), 'open');
  await writeFile(join(source, 'secret'), 'secret');
  await chmod(join(source, 'secret'), 0o000);
  const { uuid } = JSON.parse((await cli.run('put', `${source}/`, '--json')).stdout);
  const more = await makeDirectory('more');
  await writeFile(join(more, 'theirs'), 'theirs');
  await cli.ok('put', `${more}/`, '--update', uuid);
  await chmod(join(source, 'secret'), 0o644);
  expect(await cli.ok('put', `${source}/`)).not.toBe(uuid);
  expect((await cli.ok('ls', uuid)).split('\n')).toEqual(['open', 'theirs']);
});

test('files that grow, shrink, vanish or become directories while they are read are named, the others stored', async () => {
  const source = await makeDirectory('restless');
  for (let number = 0; number < 12; number++)
    await writeFile(
      join(source, `file ${String(number).padStart(2, '0')}`),
      randomFillSync(new Uint8Array(LONE_FILE_BYTES)),
    );
  const at = (number: number) => join(source, `file ${String(number).padStart(2, '0')}`);
  // Nothing comes to the service while this process is held up.
  await using proxy = await startTcpProxy(service.url);
  cli.env.ARVADOS_API_HOST = proxy.url;
  const ended = outputOf(cli.start('put', `${source}/`, '--jobs', '1', '--json'));
  cli.env.ARVADOS_API_HOST = service.url;
  await proxy.passed(1.5 * LONE_FILE_BYTES);
  await appendFile(at(8), 'grown');
  await truncate(at(9), 5);
  await rm(at(10));
  await rm(at(11));
  await mkdir(at(11));
  const { code, stdout, stderr } = await ended;
  const { uuid, problems, files } = JSON.parse(stdout);
  expect({ code, files, problems }, stderr).toEqual({
    code: 1,
    files: 8,
    problems: [
      { path: at(8), what: 'it changed while it was read' },
      { path: at(9), what: 'it became shorter while it was read' },
      { path: at(10), what: 'it is not there any more' },
      { path: at(11), what: 'it is a directory now' },
    ],
  });
  expect((await cli.ok('ls', uuid)).split('\n')).toHaveLength(8);
});

test('links in circles, to themselves and to nowhere are named with --follow-links', async () => {
  const source = await makeDirectory('circles');
  await mkdir(join(source, 'a/b'), { recursive: true });
  await writeFile(join(source, 'a/b/file'), 'file');
  await symlink('../..', join(source, 'a/b/up'));
  await symlink('itself', join(source, 'itself'));
  await symlink('nowhere', join(source, 'dangling'));
  const { code, stdout, stderr } = await cli.run('put', `${source}/`, '--follow-links', '--json');
  const { uuid, problems } = JSON.parse(stdout);
  expect({ code, problems }).toEqual({
    code: 1,
    problems: [
      { path: join(source, 'dangling'), what: 'it is not there any more' },
      { path: join(source, 'itself'), what: 'its symbolic links lead in a circle' },
      { path: join(source, 'a/b/up'), what: 'its symbolic links lead in a circle' },
    ],
  });
  expect(stderr).toContain('3 paths could not be stored');
  expect(await cli.ok('ls', uuid)).toBe('a/b/file');
  const without = await cli.run('put', `${source}/`);
  expect(without).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('3 symbolic links left out: --follow-links'),
  });
});

test('pipes and sockets are left out and counted; one that is asked for by name is a problem', async () => {
  const source = await makeDirectory('special');
  await writeFile(join(source, 'file'), 'file');
  execFileSync('mkfifo', [join(source, 'pipe')]);
  const server = createServer().listen(join(source, 'socket'));
  const left = await cli.run('put', `${source}/`);
  expect(left).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('2 special files (sockets, pipes, devices) left out'),
  });
  const asked = await cli.run('put', join(source, 'file'), join(source, 'pipe'));
  server.close();
  expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining('pipe: it is no file and no directory') });
  expect(await cli.ok('ls', asked.stdout.trim())).toBe('file');
});

test('a file in the way of a directory of the updated collection is told before anything is sent', async () => {
  const source = await makeDirectory('first');
  await writeFile(join(source, 'name'), 'a file');
  const uuid = await cli.ok('put', `${source}/`);
  const other = await makeDirectory('second');
  await mkdir(join(other, 'name'));
  await writeFile(join(other, 'name/below'), 'below');
  const { code, stderr } = await cli.run('put', `${other}/`, '--update', uuid, '--json');
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('a file and a directory at once') });
});

test('a project that is not there, and a path, are told before anything is sent', async () => {
  const source = await makeDirectory('for a project');
  await service.allLogged();
  const before = service.logs.length;
  const project = 'xedge-j7d0g-000000000000000';
  const missing = await cli.run('put', `${source}/`, '--project-uuid', project);
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining(`There is no project ${project}`) });
  expect((await cli.run('put', `${source}/`, '--project-uuid', 'results')).code).toBe(2);
  const nowhere = await cli.run('put', join(cli.home, 'nowhere'));
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no such file or directory') });
  await service.allLogged();
  // Lines of the background have no method.
  const writes = service.logs
    .slice(before)
    .filter((line) => typeof line === 'object' && line.reqMethod !== undefined && line.reqMethod !== 'GET');
  expect(writes).toEqual([]);
});

test('a directory that cannot take the checkpoint is said', async () => {
  const home = await makeDirectory('read-only home');
  const source = await makeDirectory('anything');
  await chmod(home, 0o500);
  cli.env.HOME = home;
  const { code, stderr } = await cli.run('put', `${source}/`);
  cli.env.HOME = cli.home;
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('XDG_CACHE_HOME') });
  expect(await readdir(home)).toEqual([]);
});

test('a storage class that the cluster does not have is named, with those that it has, before anything is sent', async () => {
  const file = join(cli.home, 'classed');
  await writeFile(file, 'classed');
  const { code, stdout, stderr } = await cli.run('put', file, '--storage-classes', 'default,cold\x1b[31m');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('no storage class "cold\\u001b[31m". It has: default');
});

test('a finished put that is repeated says that it makes a second collection, as long as the first is there', async () => {
  const file = join(cli.home, 'repeated');
  await writeFile(file, 'repeated');
  const first = await cli.run('put', file, '--name', 'once');
  expect(first.stderr).not.toContain('earlier run');
  const uuid = first.stdout.trim();
  const second = await cli.run('put', file, '--name', 'once');
  expect(second.stdout.trim()).not.toBe(uuid);
  expect(second.stderr).toContain(`has made the collection ${uuid} (once). This run makes a second one`);
  await api(service, `collections/${second.stdout.trim()}`, { token: cli.token, method: 'DELETE' });
  expect((await cli.run('put', file)).stderr).not.toContain('earlier run');
});

test('a full disk behind standard output, or below the checkpoint, is one line and exit code 1', async () => {
  const file = join(cli.home, 'to nowhere');
  await writeFile(file, 'x'.repeat(100_000));
  const uuid = await cli.ok('put', file, '-q');
  for (const args of [['ls', uuid], ['cat', `${uuid}/to nowhere`], ['--help']]) {
    const child = spawn('sh', ['-c', '"$0" "$@" > /dev/full', ...cli.command, ...args], { env: cli.env });
    const { code, stderr } = await outputOf(child);
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'keep-edge: standard output: no space is left on the disk\n' });
  }
  const cache = join(cli.home, 'full cache');
  await mkdir(cache);
  // The limit is in blocks of 512 bytes: the lock fits, the checkpoint of many files does not.
  const many = await makeDirectory('unrecorded files');
  for (let number = 0; number < 60; number++) await writeFile(join(many, String(number)), String(number));
  const limited = spawn('sh', ['-c', 'ulimit -f 1; exec "$0" "$@"', ...cli.command, 'put', `${many}/`], {
    env: { ...cli.env, XDG_CACHE_HOME: cache },
  });
  const { code, stderr } = await outputOf(limited);
  expect(code).toBe(1);
  expect(stderr).toContain(`${cache}/keep-edge/put/`);
  expect(stderr).toContain('larger than this file system or limit allows');
});
