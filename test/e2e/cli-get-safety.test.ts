import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { privateName } from '../../src/cli/get/destination.ts';
import { MAX_BLOCK_BYTES } from '../../src/keep/limits.ts';
import { escapeName } from '../../src/keep/manifest/names.ts';
import { api } from '../support/api.ts';
import { type Cli, cliFor, outputOf, treeDigest } from '../support/cli.ts';
import { startService, type TestService } from '../support/service.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** `get` into directories where something lies in the way: by chance, by another user, or by the collection itself. */

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const MIB = 2 ** 20;
let service: TestService;
let proxy: TcpProxy;
let cli: Cli;
let target: string;
let outside: string;
beforeAll(async () => {
  service = await startService();
  proxy = await startTcpProxy(service.url);
  cli = await cliFor(service, 'careful');
});
beforeEach(() => {
  const home = mkdtempSync(join(cli.home, 'test-'));
  target = join(home, 'target');
  outside = join(home, 'outside');
  mkdirSync(target);
  mkdirSync(outside);
  cli.env.ARVADOS_API_HOST = service.url;
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

/** A collection with these files, whatever their names. */
async function collectionOf(files: Record<string, string>): Promise<string> {
  const blocks = mkdtempSync(join(cli.home, 'blocks-'));
  const lines: string[] = [];
  for (const [path, text] of Object.entries(files)) {
    const file = join(blocks, createHash('sha1').update(path).digest('hex'));
    writeFileSync(file, text);
    const uuid = await cli.ok('put', file);
    const [, locator] = (await cli.ok('manifest', uuid)).split(' ');
    const slash = path.lastIndexOf('/');
    const stream = slash < 0 ? '.' : `./${escapeName(path.slice(0, slash))}`;
    lines.push(`${stream} ${locator} 0:${text.length}:${escapeName(path.slice(slash + 1))}\n`);
  }
  const { json } = await api(service, 'collections', {
    token: cli.token,
    body: { collection: { manifest_text: lines.join('') } },
  });
  return json.uuid;
}

/** A command that stands still for some seconds after this many bytes have come, and then goes on. */
async function startStalled(bytes: number, ...args: string[]): Promise<{ ended: ReturnType<typeof outputOf> }> {
  const [program = '', ...rest] = [...cli.command, ...args];
  const env = { ...cli.env, ARVADOS_API_HOST: proxy.url, KEEP_EDGE_LOW_SPEED_SECONDS: '8' };
  const ended = outputOf(spawn(program, rest, { env, cwd: cli.home }));
  await proxy.passed(bytes);
  proxy.stall();
  return { ended };
}

async function changeFiles(uuid: string, files: Record<string, string>): Promise<void> {
  const { json } = await api(service, `collections/${await collectionOf(files)}`, { token: cli.token });
  const body = { collection: { manifest_text: json.manifest_text } };
  await api(service, `collections/${uuid}`, { token: cli.token, method: 'PUT', body });
}

/** Nothing but the files is left: no private directory. */
function filesIn(directory: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(directory.length + 1), readFileSync(path, 'utf8')]),
  );
}

describe('names in the collection', () => {
  test('a file named like the part file of another, as version 0.1 named it, does not mix with it', async () => {
    const part = `.keep-edge-${createHash('sha1').update('data').digest('hex').slice(0, 16)}.part`;
    const files = { [part]: 'the one that is named like a part', data: 'what data holds, no more' };
    await cli.ok('get', await collectionOf(files), target);
    expect(filesIn(target)).toEqual(files);
  });

  test('a directory and a file named like the private directory are files as others', async () => {
    const uuid = await collectionOf({ a: 'a' });
    const own = privateName(`${uuid}/\n`, []);
    const files = { [own]: 'a file', a: 'a', [`${own}-2/lock`]: 'below' };
    await changeFiles(uuid, files);
    await cli.ok('get', uuid, target);
    expect(filesIn(target)).toEqual(files);
    await cli.ok('get', '--verify', uuid, target);
  });
});

describe('links', () => {
  test('a link in the place of a directory is not followed, with --force neither', async () => {
    const uuid = await collectionOf({ 'sub/file': 'inside', other: 'o' });
    symlinkSync(outside, join(target, 'sub'));
    for (const options of [[], ['--force']]) {
      const { code, stderr } = await cli.run('get', uuid, target, ...options);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(join(target, 'sub')) });
    }
    expect(readdirSync(outside)).toEqual([]);
  });

  test('a link in the place of a file is replaced with --force, and what it points to stays', async () => {
    const uuid = await collectionOf({ file: 'inside' });
    const victim = join(outside, 'victim');
    writeFileSync(victim, 'theirs');
    symlinkSync(victim, join(target, 'file'));
    expect((await cli.run('get', uuid, target)).code).toBe(1);
    await cli.ok('get', uuid, target, '--force');
    expect(filesIn(target)).toEqual({ file: 'inside' });
    expect(readFileSync(victim, 'utf8')).toBe('theirs');
  });

  test('a private directory that is a link, or that others may enter, is not used', async () => {
    const uuid = await collectionOf({ file: 'inside' });
    const own = join(target, privateName(`${uuid}/\n`, []));
    symlinkSync(outside, own);
    expect((await cli.run('get', uuid, target)).stderr).toContain('not a private directory');
    rmSync(own);
    mkdirSync(own);
    chmodSync(own, 0o777);
    expect((await cli.run('get', uuid, target)).stderr).toContain('not a private directory');
    expect(readdirSync(outside)).toEqual([]);
  });

  test('links that lead to the destination itself are followed', async () => {
    symlinkSync(outside, join(target, 'there'));
    await cli.ok('get', await collectionOf({ 'sub/file': 'inside' }), join(target, 'there'));
    expect(filesIn(outside)).toEqual({ 'sub/file': 'inside' });
  });

  test('links that appear while files are fetched, in place of directories and files, are not followed', async () => {
    const source = join(cli.home, 'swapped');
    mkdirSync(join(source, 'sub'), { recursive: true });
    for (const name of ['1', '2', '3'])
      writeFileSync(join(source, 'sub', name), randomFillSync(new Uint8Array(40 * MIB)));
    const uuid = await cli.ok('put', `${source}/`);
    const { ended } = await startStalled(20 * MIB, 'get', uuid, target, '-j', '1');
    const moved = join(target, 'moved');
    renameSync(join(target, 'sub'), moved);
    symlinkSync(outside, join(target, 'sub'));
    const own = join(target, privateName(`${uuid}/\n`, []));
    renameSync(own, join(target, 'own moved'));
    symlinkSync(outside, own);
    const { code } = await ended;
    expect(readdirSync(outside)).toEqual([]);
    // Through open directories, files arrive where they were to go.
    if (process.platform === 'linux')
      expect({ code, files: readdirSync(moved) }).toEqual({ code: 0, files: ['1', '2', '3'] });
  });
});

test('a file that appears while its name is being fetched is not replaced', async () => {
  const source = join(cli.home, 'appearing');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'file'), randomFillSync(new Uint8Array(40 * MIB)));
  const uuid = await cli.ok('put', `${source}/`);
  const { ended } = await startStalled(20 * MIB, 'get', uuid, target);
  writeFileSync(join(target, 'file'), 'mine');
  const { code, stderr } = await ended;
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('in the way') });
  expect(readFileSync(join(target, 'file'), 'utf8')).toBe('mine');
});

test('the same get twice at once: the second says so, the first completes', async () => {
  const source = join(cli.home, 'twice');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'file'), randomFillSync(new Uint8Array(60 * MIB)));
  const uuid = await cli.ok('put', `${source}/`);
  const { ended } = await startStalled(MIB, 'get', uuid, target);
  const second = await cli.run('get', uuid, target);
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('is fetching the same files') });
  expect((await ended).code).toBe(0);
  expect(treeDigest(target)).toEqual(treeDigest(source));
});

describe('disks that are full', () => {
  let mount: string | null = null;
  beforeAll(() => {
    const directory = mkdtempSync(join(tmpdir(), 'keep-edge-full-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', directory], { stdio: 'ignore' });
      mount = directory;
    } catch {
      rmSync(directory, { recursive: true });
    }
  });
  afterAll(() => {
    if (mount === null) return;
    execFileSync('umount', [mount]);
    rmSync(mount, { recursive: true });
  });
  const source = () => join(cli.home, 'large');
  const put = async (bytes: number) => {
    mkdirSync(source(), { recursive: true });
    writeFileSync(join(source(), 'file'), randomFillSync(new Uint8Array(bytes)));
    return cli.ok('put', `${source()}/`);
  };

  test('a file that cannot be written is named at once, and no service is asked again', async () => {
    const uuid = await put(20 * MIB);
    const limited = spawn('sh', ['-c', 'ulimit -f 8; exec "$0" "$@"', ...cli.command, 'get', uuid, target], {
      env: cli.env,
    });
    const { code, stderr } = await outputOf(limited);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(join(target, 'file')) });
    expect(stderr).not.toContain('Trying again');
    await cli.ok('get', uuid, target);
    expect(treeDigest(target)).toEqual(treeDigest(source()));
  });

  test('more than the disk has free is refused before anything is fetched', async () => {
    const zeros = `${createHash('md5').update(new Uint8Array(MAX_BLOCK_BYTES)).digest('hex')}+${MAX_BLOCK_BYTES}`;
    const count = 100_000;
    const manifest_text = `. ${`${zeros} `.repeat(count)}0:${count * MAX_BLOCK_BYTES}:huge\n`;
    const { json } = await api(service, 'collections', { body: { collection: { manifest_text } } });
    const { json: user } = await api(service, 'users/current', { token: cli.token });
    await api(service, `collections/${json.uuid}`, { method: 'PUT', body: { collection: { owner_uuid: user.uuid } } });
    const { code, stderr } = await cli.run('get', json.uuid, target);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/Not enough space .* are free/) });
    expect(readdirSync(target)).toEqual([]);
  });

  test('a disk that fills up meanwhile is named with the file; the rest follows when there is room', async (context) => {
    if (mount === null) return context.skip('needs the right to mount a file system');
    const uuid = await put(20 * MIB);
    const { ended } = await startStalled(MIB, 'get', uuid, mount);
    const ballast = join(mount, 'ballast');
    writeFileSync(ballast, new Uint8Array(20 * MIB));
    const { code, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(join(mount, 'file')) });
    expect(stderr).toContain('no space is left');
    expect(stderr.split('no space is left')[1]).not.toContain('Trying again');
    rmSync(ballast);
    await cli.ok('get', uuid, mount);
    expect(treeDigest(mount)).toEqual(treeDigest(source()));
    rmSync(join(mount, 'file'));
  });

  test('a mount point below the destination gets its files', async (context) => {
    if (mount === null) return context.skip('needs the right to mount a file system');
    const inner = join(target, 'sub');
    mkdirSync(inner);
    execFileSync('mount', ['--bind', mount, inner]);
    try {
      const files = { 'sub/file': 'beyond', 'sub/empty': '', top: 'here' };
      await cli.ok('get', await collectionOf(files), target);
      expect(filesIn(target)).toEqual(files);
    } finally {
      execFileSync('umount', [inner]);
    }
  });
});
