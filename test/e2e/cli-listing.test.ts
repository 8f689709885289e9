import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api } from '../support/api.ts';
import { type Cli, cliFor } from '../support/cli.ts';
import { blockOf, putBlock } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

/** Collections as only admins can save them: their manifests are not checked. */

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let service: TestService;
let cli: Cli;
beforeAll(async () => {
  service = await startService();
  cli = await cliFor(service, 'lister');
});
afterAll(async () => {
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

async function collection(manifest_text: string): Promise<string> {
  const { json: user } = await api(service, 'users/current', { token: cli.token });
  const { json } = await api(service, 'collections', { body: { collection: { manifest_text } } });
  await api(service, `collections/${json.uuid}`, { method: 'PUT', body: { collection: { owner_uuid: user.uuid } } });
  return json.uuid;
}

test('a manifest line of 3,000 blocks and 3,000 files that span them all is listed, and one file read, in little memory', async () => {
  const count = 3_000;
  const block = blockOf('x');
  await putBlock(service.url, block);
  const files = Array.from({ length: count }, (_, index) => `0:${count}:${index}`);
  // Distinct locators: what is the same would be one object.
  const locators = Array.from({ length: count }, (_, index) => `${block.hash}+1+Z${index}`);
  const uuid = await collection(`. ${locators.join(' ')} ${files.join(' ')}\n`);
  cli.env.NODE_OPTIONS = '--max-old-space-size=64';
  const lines = (await cli.ok('ls', '-l', uuid)).split('\n');
  expect(lines).toHaveLength(count);
  expect(lines[0]).toBe(`${String(count).padStart(15)} 0`);
  expect(await cli.ok('cat', `${uuid}/17`)).toBe('x'.repeat(count));
  delete cli.env.NODE_OPTIONS;
});

test('names that are not UTF-8 are listed apart, reached, read and saved byte for byte', async () => {
  const block = blockOf('latin');
  await putBlock(service.url, block);
  const locator = `${block.hash}+${block.data.length}`;
  const uuid = await collection(`. ${locator} 0:5:a\\334 0:4:a\\335\n./d\\377 ${locator} 0:3:\\376\n`);
  expect((await cli.ok('ls', uuid)).split('\n')).toEqual(['"a\\udcdc"', '"a\\udcdd"', '"d\\udcff/\\udcfe"']);
  const json = (await cli.ok('ls', '--json', uuid)).split('\n').map((line) => JSON.parse(line).path);
  expect(json).toEqual(['a\udcdc', 'a\udcdd', 'd\udcff', 'd\udcff/\udcfe']);

  const shell = (script: string) =>
    execFileSync('bash', ['-c', script, ...cli.command, uuid], { env: cli.env, cwd: cli.home, encoding: 'latin1' });
  expect(shell('"$0" "$1" ls -0 "$2"')).toBe('a\xdc\0a\xdd\0d\xff/\xfe\0');
  expect(shell(`"$0" "$1" cat "$2"/$'a\\xdc' "$2"/$'d\\xff/\\xfe'`)).toBe('latinlat');
  const target = mkdtempSync(join(cli.home, 'bytes-'));
  await cli.ok('get', uuid, target);
  const found = readdirSync(target, { encoding: 'buffer' }).map((name) => name.toString('latin1'));
  expect(found.sort()).toEqual(['a\xdc', 'a\xdd', 'd\xff']);
  await cli.ok('get', '--verify', uuid, target);
  shell(`"$0" "$1" get "$2" $'to-\\xe9' && "$0" "$1" get --verify "$2" $'to-\\xe9'`);
  expect(readdirSync(cli.home, { encoding: 'buffer' }).map((name) => name.toString('latin1'))).toContain('to-\xe9');
});

test('a path that is not UTF-8 can be put from, and a name that is not is named byte for byte', async () => {
  const shell = (script: string) =>
    execFileSync('bash', ['-c', script, ...cli.command], { env: cli.env, cwd: cli.home, encoding: 'utf8' });
  shell(`mkdir -p $'from-\\xe9' && echo good > $'from-\\xe9/good' && cp $'from-\\xe9/good' $'from-\\xe9/bad-\\xff'`);
  const output = shell(`"$0" "$1" put --json $'from-\\xe9/' || test $? = 1`);
  const { uuid, problems } = JSON.parse(output);
  expect(problems).toEqual([
    { path: join(cli.home, 'from-\udce9/bad-\udcff'), what: 'its name is not UTF-8, as collections need it' },
  ]);
  expect(await cli.ok('cat', `${uuid}/good`)).toBe('good');
});

test('a service that refuses connections is reported within seconds, after the tries that are asked for', async () => {
  const nowhere = { ...cli.env, ARVADOS_API_HOST: 'http://127.0.0.1:1' };
  const uuid = 'xedge-4zz18-000000000000000';
  for (const command of [['ls', uuid], ['cat', `${uuid}/file`], ['manifest', uuid], ['services']]) {
    const said = async (...options: string[]) => {
      const shell = ['-c', '"$0" "$@" 2>&1 || test $? = 1', ...cli.command, ...command, ...options];
      return (await promisify(execFile)('sh', shell, { env: nowhere, timeout: 30_000 })).stdout;
    };
    expect(await said()).toContain('is the service running');
    expect(await said('--retries', '0')).not.toContain('Trying again');
  }
});

test('ls without an argument lists my projects and collections, and ls PROJECT what is in it, over pages', async () => {
  await using other = await cliFor(service, 'owner');
  const make = async (resource: string, record: object) =>
    (await api(service, `${resource}s`, { token: other.token, body: { [resource]: record } })).json.uuid;
  const project = await make('group', { name: 'project \x1b[31m', group_class: 'project' });
  const inner = await make('group', { name: 'inner', group_class: 'project', owner_uuid: project });
  const mine = await make('collection', { name: 'mine' });
  const count = 510;
  for (let number = 0; number < count; number++)
    await make('collection', { name: String(number).padStart(4, '0'), owner_uuid: project });
  expect(await other.ok('ls')).toBe(`${project}  "project \\u001b[31m"/\n${mine}  mine`);
  const lines = (await other.ok('ls', project)).split('\n');
  expect(lines).toHaveLength(count + 1);
  expect(lines[0]).toBe(`${inner}  inner/`);
  expect(lines.at(-1)).toMatch(/ {2}0509$/);
  expect(await other.ok('ls', '-l')).toMatch(/0 B +0 files {2}mine$/);
  expect(JSON.parse((await other.ok('ls', '--json')).split('\n')[1] ?? '')).toMatchObject({
    kind: 'collection',
    uuid: mine,
    name: 'mine',
    file_count: 0,
  });
  const hidden = await cli.run('ls', project);
  expect(hidden).toMatchObject({ code: 1, stderr: expect.stringContaining('no project') });
});
