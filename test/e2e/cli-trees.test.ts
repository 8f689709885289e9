import { randomFillSync } from 'node:crypto';
import { appendFile, chmod, mkdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { api } from '../support/api.ts';
import { type Cli, cliFor, treeDigest } from '../support/cli.ts';
import { makeOddTree, ODD_NAMES } from '../support/odd-tree.ts';
import { startService, type TestService } from '../support/service.ts';

let service: TestService;
let cli: Cli;
let tree: string;

const MIB = 2 ** 20;
beforeAll(async () => {
  service = await startService();
  cli = await cliFor(service, 'putter');
  tree = join(cli.home, 'tree');
  await makeOddTree(join(tree, 'odd'));
  await mkdir(join(tree, 'many'));
  for (let number = 0; number < 1000; number++) {
    const bytes = randomFillSync(new Uint8Array(number * 3));
    await writeFile(join(tree, 'many', `file ${number}`), bytes);
  }
  await writeFile(join(tree, 'big'), randomFillSync(new Uint8Array(70 * MIB)));
});
afterAll(async () => {
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

async function puts(): Promise<number> {
  await service.allLogged();
  return service.logs.filter((line) => typeof line === 'object' && line.reqMethod === 'PUT').length;
}

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

describe('put and get', () => {
  test('a tree of odd names, empty files and directories, small and large files comes back byte for byte', async () => {
    const uuid = await cli.ok('put', `${tree}/`, '--name', 'the tree');
    const back = join(cli.home, 'back');
    await cli.ok('get', uuid, back);
    expect(treeDigest(back)).toEqual(treeDigest(tree));
    const { json: record } = await api(service, `collections/${uuid}`);
    expect(record).toMatchObject({ name: 'the tree', file_count: 1000 + 2 * ODD_NAMES.length + 2 });
    expect(await cli.ok('manifest', uuid, '--pdh')).toBe(record.portable_data_hash);
    expect(await cli.ok('manifest', uuid, '--normalise', '--pdh')).toBe(record.portable_data_hash);
    expect((await cli.run('get', '--verify', uuid, back)).code).toBe(0);
  });

  test('a tree that is put again sends nothing and gets the same hash', async () => {
    const first = JSON.parse(await cli.ok('put', `${tree}/`, '--json'));
    const before = await puts();
    const second = JSON.parse(await cli.ok('put', `${tree}/`, '--json'));
    expect(second).toMatchObject({ blocks_sent: 0, portable_data_hash: first.portable_data_hash });
    expect(second.uuid).not.toBe(first.uuid);
    expect(await puts()).toBe(before);
  });

  test('a changed file is noticed, and only it is sent', async () => {
    const copy = join(cli.home, 'changing');
    await mkdir(copy);
    await writeFile(join(copy, 'a'), randomFillSync(new Uint8Array(MIB)));
    await writeFile(join(copy, 'b'), 'before');
    await cli.ok('put', `${copy}/`);
    await writeFile(join(copy, 'b'), 'after!');
    const result = JSON.parse(await cli.ok('put', `${copy}/`, '--json'));
    expect(result).toMatchObject({ blocks_sent: 1, bytes_sent: 6 });
    expect(await cli.ok('cat', `${result.uuid}/b`)).toBe('after!');
    await cli.ok('get', result.uuid, join(cli.home, 'changed'));
    expect(treeDigest(join(cli.home, 'changed'))).toEqual(treeDigest(copy));
  });

  test('a block that comes up several times is sent once', async () => {
    const zeros = join(cli.home, 'zeros');
    await writeFile(zeros, '');
    await truncate(zeros, 3 * 64 * MIB);
    const result = JSON.parse(await cli.ok('put', zeros, '--json'));
    expect(result).toMatchObject({ blocks_sent: 1, bytes_sent: 64 * MIB, blocks_skipped: 2 });
    await rm(zeros);
    await cli.ok('get', `${result.uuid}/zeros`, zeros);
    expect((await stat(zeros)).size).toBe(3 * 64 * MIB);
    expect((await cli.run('get', '--verify', result.uuid, cli.home)).code).toBe(0);
  });

  test('a collection is updated: new files come in, others stay, and blocks that it has are not sent', async () => {
    const uuid = await cli.ok('put', join(tree, 'many'), join(tree, 'odd/100%/100%, empty'));
    const fresh = join(cli.home, 'elsewhere/many');
    await mkdir(fresh, { recursive: true });
    await writeFile(join(fresh, 'file 7'), 'replaced');
    await writeFile(join(fresh, 'added'), 'added');
    expect(await cli.ok('put', fresh, '--update', uuid)).toBe(uuid);
    expect(await cli.ok('cat', `${uuid}/many/file 7`)).toBe('replaced');
    const names = (await cli.ok('ls', uuid)).split('\n');
    expect(names).toHaveLength(1002);
    expect(names).toContain('many/added');
  });

  test('blocks of a reference are not sent again from another machine', async () => {
    const uuid = await cli.ok('put', join(tree, 'big'));
    const result = JSON.parse(await cli.ok('put', join(tree, 'big'), '--no-resume', '--reference', uuid, '--json'));
    expect(result).toMatchObject({ blocks_sent: 0, blocks_skipped: 2 });
  });

  test('what --exclude names is left out, at any depth or by path', async () => {
    const source = join(cli.home, 'excluding');
    for (const path of ['a/x.tmp', 'a/b/y.tmp', 'a/keep', 'c/deep/z', 'c/keep']) {
      await mkdir(join(source, path, '..'), { recursive: true });
      await writeFile(join(source, path), path);
    }
    const uuid = await cli.ok('put', `${source}/`, '--exclude', '*.tmp', '--exclude', 'c/deep');
    expect((await cli.ok('ls', uuid)).split('\n').sort()).toEqual(['a/keep', 'c/keep']);
  });

  test('links are left out and said, or followed; a circle of links is a problem that ends', async () => {
    const source = join(cli.home, 'linked');
    await mkdir(join(source, 'real'), { recursive: true });
    await writeFile(join(source, 'real/file'), 'linked to');
    await symlink('real/file', join(source, 'to-file'));
    const without = await cli.run('put', `${source}/`);
    expect(without).toMatchObject({ code: 0, stderr: expect.stringContaining('1 symbolic link left out') });
    const uuid = await cli.ok('put', `${source}/`, '--follow-links');
    expect(await cli.ok('cat', `${uuid}/to-file`)).toBe('linked to');
    await symlink('..', join(source, 'real/loop'));
    const looped = await cli.run('put', `${source}/`, '--follow-links');
    expect(looped).toMatchObject({ code: 1, stderr: expect.stringContaining('lead in a circle') });
  });

  test('files that are gone or dangling are named in the summary, the rest is stored, and the exit code says so', async () => {
    const source = join(cli.home, 'partly');
    await mkdir(source);
    await writeFile(join(source, 'good'), 'good');
    await symlink('nowhere', join(source, 'dangling'));
    const result = await cli.run('put', `${source}/`, '--follow-links', '--json');
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('NOT STORED');
    const { uuid, problems } = JSON.parse(result.stdout);
    expect(problems).toEqual([{ path: join(source, 'dangling'), what: 'it is not there any more' }]);
    expect(await cli.ok('cat', `${uuid}/good`)).toBe('good');
  });

  test('a name that is not UTF-8 is a problem of its own', async () => {
    const source = join(cli.home, 'bytes');
    await mkdir(source);
    await writeFile(Buffer.concat([Buffer.from(`${source}/bad-`), Buffer.from([0xff])]), 'x');
    const result = await cli.run('put', `${source}/`);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('not UTF-8') });
  });

  test('--dry-run sends nothing', async () => {
    const before = await puts();
    const result = JSON.parse(await cli.ok('put', join(tree, 'many'), '--dry-run', '--no-resume', '--json'));
    expect(result).toMatchObject({ files: 1000, blocks: 1, bytes_pending: result.bytes });
    expect(await puts()).toBe(before);
  });
});

describe('get', () => {
  test('goes on where it was killed, and does not fetch what is there', async () => {
    const uuid = await cli.ok('put', join(tree, 'big'));
    const target = join(cli.home, 'resumed');
    await cli.ok('get', uuid, target);
    // As a killed run leaves it: the file in the private directory, one block not written yet.
    const { partName, privateName } = await import('../../src/cli/get/destination.ts');
    const own = join(target, privateName(`${uuid}/\n`, []));
    const bytes = await readFile(join(target, 'big'));
    bytes.fill(0, 0, MIB);
    await rm(join(target, 'big'));
    await mkdir(own, { mode: 0o700 });
    await writeFile(join(own, partName('big')), bytes);
    const result = JSON.parse(await cli.ok('get', uuid, target, '--json'));
    expect(result).toMatchObject({ blocks_fetched: 1, bytes_fetched: 64 * MIB });
    expect((await readFile(join(target, 'big'))).equals(await readFile(join(tree, 'big')))).toBe(true);
  });

  test('does not touch files of other contents unless it is forced', async () => {
    const uuid = await cli.ok('put', join(tree, 'many'));
    const target = join(cli.home, 'careful');
    await cli.ok('get', uuid, target);
    await appendFile(join(target, 'many/file 3'), 'mine');
    const refused = await cli.run('get', uuid, target);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('--force') });
    expect((await readFile(join(target, 'many/file 3'), 'latin1')).endsWith('mine')).toBe(true);
    const verified = await cli.run('get', '--verify', uuid, target);
    expect(verified).toMatchObject({ code: 1, stdout: expect.stringContaining('file 3: of another size') });
    await cli.ok('get', uuid, target, '--force');
    expect((await cli.run('get', '--verify', uuid, target)).code).toBe(0);
  });

  test('--verify names the file that differs, also within a shared block', async () => {
    const uuid = await cli.ok('put', join(tree, 'many'));
    const target = join(cli.home, 'verified');
    await cli.ok('get', uuid, target);
    const victim = join(target, 'many/file 900');
    const bytes = await readFile(victim);
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    await writeFile(victim, bytes);
    const { code, stdout } = await cli.run('get', '--verify', uuid, target);
    expect({ code, stdout }).toEqual({ code: 1, stdout: `${victim}: of other contents\n` });
  });

  test('a file goes to standard output, a part of a collection by its hash to a directory', async () => {
    const uuid = await cli.ok('put', `${tree}/`);
    const { json } = await api(service, `collections/${uuid}`);
    const name = ODD_NAMES[2] ?? '';
    expect(await cli.ok('get', `${json.portable_data_hash}/odd/${name}/${name}`, '-')).toBe(name);
    const target = join(cli.home, 'some');
    await cli.ok('get', `${uuid}/odd`, target);
    expect(treeDigest(target)).toEqual(treeDigest(join(tree, 'odd')));
  });

  test('a reader that goes away is no error', async () => {
    const uuid = await cli.ok('put', join(tree, 'big'));
    const child = cli.start('cat', `${uuid}/big`);
    child.stdout?.once('data', () => child.stdout?.destroy());
    const [stderr, code] = await Promise.all([
      text(child.stderr ?? Readable.from([])),
      new Promise((resolve) => child.once('close', resolve)),
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('what goes wrong', () => {
  test('is said in one line that tells what to do', async () => {
    const refused = await cliFor(service, 'wrong');
    refused.env.ARVADOS_API_TOKEN = 'wrong'.repeat(10);
    const { code, stderr } = await refused.run('ls', 'xedge-4zz18-000000000000000');
    expect({ code, lines: stderr.trim().split('\n').length }).toEqual({ code: 1, lines: 1 });
    expect(stderr).toContain('ARVADOS_API_TOKEN');
    delete refused.env.ARVADOS_API_HOST;
    expect((await refused.run('services')).stderr).toContain('ARVADOS_API_HOST');
    expect((await refused.run('put', '--nonsense')).code).toBe(2);
    await refused[Symbol.asyncDispose]();
  });

  test('settings come from settings.conf too', async () => {
    const other = await cliFor(service, 'filed');
    await mkdir(join(other.home, '.config/arvados'), { recursive: true });
    const file = join(other.home, '.config/arvados/settings.conf');
    await writeFile(file, `ARVADOS_API_HOST=${service.url}\nARVADOS_API_TOKEN=${other.token}\n`);
    await chmod(file, 0o600);
    delete other.env.ARVADOS_API_HOST;
    delete other.env.ARVADOS_API_TOKEN;
    expect(await other.ok('services')).toContain(service.url);
    await other[Symbol.asyncDispose]();
  });
});
