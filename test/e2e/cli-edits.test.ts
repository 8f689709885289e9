import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type Cli, cliFor } from '../support/cli.ts';
import { startService, type TestService } from '../support/service.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let service: TestService;
let cli: Cli;
let uuid: string;
beforeAll(async () => {
  service = await startService();
  cli = await cliFor(service, 'editor');
  const source = join(cli.home, 'source');
  mkdirSync(join(source, 'dir/deep'), { recursive: true });
  for (const name of ['a', 'b c', 'dir/d', 'dir/deep/e']) writeFileSync(join(source, name), name);
});
beforeEach(async () => {
  uuid = await cli.ok('put', `${join(cli.home, 'source')}/`, '--quiet');
});
afterAll(async () => {
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

const list = async (id = uuid) => (await cli.ok('ls', id)).split('\n').sort();
const fails = async (...args: string[]) => {
  const { code, stderr } = await cli.run(...args);
  expect(code).toBeGreaterThan(0);
  return stderr;
};

test('rm removes files, and directories with -r only', async () => {
  await cli.ok('rm', `${uuid}/a`, `${uuid}/b c`);
  expect(await list()).toEqual(['dir/d', 'dir/deep/e']);
  expect(await fails('rm', `${uuid}/dir/deep`)).toContain('-r removes it');
  expect(await fails('rm', `${uuid}/none`)).toContain('has no none');
  await cli.ok('rm', '-f', `${uuid}/none`);
  await cli.ok('rm', '-r', `${uuid}/dir/deep`);
  expect(await list()).toEqual(['dir/d']);
  expect(await fails('rm', '-r', uuid)).toContain('whole collection');
});

test('mv renames and moves within a collection, and between two', async () => {
  await cli.ok('mv', `${uuid}/a`, `${uuid}/renamed`);
  await cli.ok('mv', `${uuid}/renamed`, `${uuid}/b c`, `${uuid}/dir/`);
  expect(await list()).toEqual(['dir/b c', 'dir/d', 'dir/deep/e', 'dir/renamed']);
  await cli.ok('mv', `${uuid}/dir`, `${uuid}/new/place`);
  expect(await cli.ok('cat', `${uuid}/new/place/renamed`)).toBe('a');
  expect(await fails('mv', `${uuid}/new`, `${uuid}/new/place/below`)).toContain('into itself');
  const other = await cli.ok('put', join(cli.home, 'source/a'), '--quiet');
  await cli.ok('mv', `${uuid}/new/place/deep`, other);
  expect(await list(other)).toEqual(['a', 'deep/e']);
  expect(await list()).toEqual(['new/place/b c', 'new/place/d', 'new/place/renamed']);
});

test('cp copies without moving data, from other collections and by portable data hash, and replaces with -f only', async () => {
  const puts = async () => {
    await service.allLogged();
    return service.logs.filter((line) => typeof line === 'object' && /^[/][0-9a-f]{32}/.test(String(line.reqPath)));
  };
  const other = await cli.ok('put', join(cli.home, 'source/a'), '--quiet');
  const before = await puts();
  const hash = await cli.ok('manifest', uuid, '--pdh');
  await cli.ok('cp', `${hash}/dir`, `${other}/copied`);
  await cli.ok('cp', uuid, `${other}/all`);
  expect(await list(other)).toEqual([
    'a',
    'all/a',
    'all/b c',
    'all/dir/d',
    'all/dir/deep/e',
    'copied/d',
    'copied/deep/e',
  ]);
  expect(await fails('cp', `${uuid}/b c`, `${other}/a`)).toContain('--force replaces it');
  expect(await fails('cp', `${uuid}/b c`, `${other}/a/below`)).toContain('in the way');
  await cli.ok('cp', '-f', `${uuid}/b c`, `${other}/a`);
  expect(await puts()).toEqual(before);
  expect(await cli.ok('cat', `${other}/a`)).toBe('b c');
  expect(await fails('cp', `${uuid}/a`, `${hash}/x`)).toContain('never change');
});

test('mkdir makes empty directories, that are no error a second time with -p', async () => {
  await cli.ok('mkdir', `${uuid}/empty/one`, `${uuid}/two`);
  expect(await list()).toEqual(['a', 'b c', 'dir/d', 'dir/deep/e', 'empty/one/', 'two/']);
  expect(await fails('mkdir', `${uuid}/two`)).toContain('there already');
  await cli.ok('mkdir', '-p', `${uuid}/two`);
});

test('several of these at once change one collection, and none is lost', async () => {
  const names = ['1', '2', '3', '4'];
  await Promise.all(names.map((name) => cli.ok('cp', `${uuid}/a`, `${uuid}/${name}`, '--retries', '5')));
  expect(await list()).toEqual([...names, 'a', 'b c', 'dir/d', 'dir/deep/e']);
});
