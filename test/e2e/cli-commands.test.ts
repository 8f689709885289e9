import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api, createToken, createUser } from '../support/api.ts';
import { type Cli, cliFor, treeDigest } from '../support/cli.ts';
import { blockOf, putBlock, request } from '../support/keep.ts';
import { ROOT_TOKEN, SIGNING_KEY, startService, type TestService } from '../support/service.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

vi.setConfig({ testTimeout: 120_000 });

let service: TestService;
let cli: Cli;
beforeAll(async () => {
  service = await startService();
  cli = await cliFor(service, 'commander');
});
afterAll(async () => {
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

test('the bundle that npm installs puts and gets', async () => {
  const out = join(cli.home, 'bundle');
  await run(process.execPath, [join(ROOT, 'dev/build-cli.ts'), out]);
  const source = join(cli.home, 'few');
  await mkdir(join(source, 'empty'), { recursive: true });
  await writeFile(join(source, 'a'), 'a');
  const bundled = (...args: string[]) => run(process.execPath, [join(out, 'keep-edge.mjs'), ...args], { env: cli.env });
  const { stdout: uuid } = await bundled('put', `${source}/`);
  await bundled('get', uuid.trim(), join(cli.home, 'few-back'));
  expect(treeDigest(join(cli.home, 'few-back'))).toEqual(treeDigest(source));
});

test('--help lists the commands, and each of them helps', async () => {
  const overview = await cli.ok('--help');
  for (const name of [
    'put',
    'get',
    'ls',
    'cat',
    'manifest',
    'sign',
    'uploader',
    'services',
    'doctor',
    'deploy-config',
  ]) {
    expect(overview).toContain(`  ${name} `);
    expect(await cli.ok(name, '--help')).toContain(`keep-edge ${name}`);
  }
  expect(await cli.ok('--version')).toMatch(/^keep-edge \d+\.\d+\.\d+(-[\w.]+)?$/);
  expect((await cli.run('nonsense')).code).toBe(2);
});

test('a put with copies, classes, a project and a name asks for just these', async () => {
  const { json: project } = await api(service, 'groups', {
    token: cli.token,
    body: { group: { name: 'project', group_class: 'project' } },
  });
  const file = join(cli.home, 'asked');
  await writeFile(file, 'asked');
  const options = ['--replication', '2', '--storage-classes', 'default', '--project-uuid', project.uuid, '--name', 'N'];
  const uuid = await cli.ok('put', file, ...options);
  const { json: record } = await api(service, `collections/${uuid}`);
  expect(record).toMatchObject({
    name: 'N',
    owner_uuid: project.uuid,
    replication_desired: 2,
    storage_classes_desired: ['default'],
  });
});

test('ls shows names safely, sizes, and names as they are for programs', async () => {
  const source = join(cli.home, 'listed');
  await mkdir(join(source, 'hollow'), { recursive: true });
  await writeFile(join(source, 'two\nlines'), '12345');
  const uuid = await cli.ok('put', `${source}/`);
  expect(await cli.ok('ls', uuid)).toBe('"two\\nlines"\nhollow/');
  expect(await cli.ok('ls', '-0', uuid)).toBe('two\nlines\0hollow/\0');
  expect((await cli.ok('ls', '--json', uuid)).split('\n').map((line) => JSON.parse(line))).toEqual([
    { path: 'two\nlines', size: 5 },
    { path: 'hollow' },
  ]);
});

test('manifest prints, judges, normalises and hashes texts', async () => {
  const foo = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
  const bar = '37b51d194a7513e45b56f6524f2d51f2+3';
  const file = join(cli.home, 'manifest');
  await writeFile(file, `. ${foo} 0:3:f\n. ${bar} 0:3:f\n`);
  expect(await cli.ok('manifest', file, '--pdh')).toBe('fc372be650571c8e1052e07aef76613d+86');
  expect(await cli.ok('manifest', file, '-n')).toBe(`. ${foo} ${bar} 0:6:f`);
  expect(await cli.ok('manifest', file, '-n', '--pdh')).toBe('f6a86ec772dd54fece40d80207e4937d+78');
  expect((await cli.run('manifest', file, '--check')).code).toBe(0);
  await writeFile(file, `. ${foo} 0:3:..\n`);
  expect(await cli.run('manifest', file, '--check')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('line 1'),
  });
});

test('sign makes signatures that the service accepts', async () => {
  const block = blockOf('to be signed');
  await putBlock(service.url, block);
  cli.env.BLOB_SIGNING_KEY = SIGNING_KEY;
  const locator = await cli.ok('sign', block.locator);
  delete cli.env.BLOB_SIGNING_KEY;
  expect((await request(`${service.url}/${locator}`, { token: cli.token })).text).toBe('to be signed');
  expect((await request(`${service.url}/${locator}`, { token: ROOT_TOKEN })).status).toBe(400);
  expect((await cli.run('sign', block.locator)).stderr).toContain('BLOB_SIGNING_KEY');
});

test('an uploader is made, puts files and nothing else, and is deactivated', async () => {
  const made = (await cli.ok('uploader', 'create', 'Lab machine')).split('\t');
  const [uuid, state, , token = ''] = made;
  expect(state).toBe('active');
  const lab = await cliFor(service, 'lab');
  lab.env.ARVADOS_API_TOKEN = token;
  const file = join(lab.home, 'data');
  await writeFile(file, 'from the lab');
  const collection = await lab.ok('put', file);
  expect(await cli.ok('cat', `${collection}/data`)).toBe('from the lab');
  expect((await lab.run('uploader', 'list')).code).toBe(1);
  const root = await cliFor(service, 'admin');
  root.env.ARVADOS_API_TOKEN = ROOT_TOKEN;
  expect(await root.ok('uploader', 'list')).toContain(uuid);
  await root.ok('uploader', 'deactivate', uuid ?? '');
  expect((await lab.run('put', file)).code).toBe(1);
  await lab[Symbol.asyncDispose]();
  await root[Symbol.asyncDispose]();
});

test('doctor finds all well, shows volumes to root, and says what to do about a wrong token', async () => {
  const well = await cli.run('doctor', '--mib', '1');
  expect(well).toMatchObject({ code: 0, stdout: expect.stringContaining('All is well.') });
  expect(well.stdout).toContain("clock: the same as the server's");
  const root = await cliFor(service, 'operator');
  root.env.ARVADOS_API_TOKEN = ROOT_TOKEN;
  const seen = await root.run('doctor', '--no-write');
  expect(seen.stdout).toContain('volume xedge-nyw5e-000000000000000');
  expect(seen.stdout).toContain('BAD  secrets: SYSTEM_ROOT_TOKEN has fewer than 8 different characters');
  root.env.ARVADOS_API_TOKEN = 'wrong'.repeat(10);
  const wrong = await root.run('doctor', '--no-write');
  expect(wrong).toMatchObject({ code: 1, stdout: expect.stringContaining('ARVADOS_API_TOKEN') });
  root.env.ARVADOS_API_HOST = 'http://127.0.0.1:9';
  expect(await root.run('doctor')).toMatchObject({ code: 1, stdout: expect.stringContaining('No answer from') });
  await root[Symbol.asyncDispose]();
});

test('doctor says what is wrong with an expired token, volumes that are read-only, and hosts that are not one', async () => {
  const { uuid } = await createUser(service, 'expired');
  const sick = await cliFor(service, 'sick');
  const doctor = (env: Record<string, string>) => {
    Object.assign(sick.env, env);
    return sick.run('doctor');
  };
  const says = (what: string) => ({ code: 1, stdout: expect.stringContaining(what) });
  const expired = await createToken(service, uuid, { expires_at: '2020-01-01T00:00:00Z' });
  expect(await doctor({ ARVADOS_API_TOKEN: expired })).toMatchObject(says('BAD  token:'));
  expect(await doctor({ ARVADOS_API_HOST: new URL(service.url).host })).toMatchObject(says('ARVADOS_API_HOST=http://'));
  expect(await doctor({ ARVADOS_API_HOST: '' })).toMatchObject(says('ARVADOS_API_HOST is not set'));

  const archive = { Driver: 'R2', Replication: 1, ReadOnly: true, DriverParameters: { Binding: 'BLOCKS' } };
  await using archives = await startService({ vars: { VOLUMES: { 'xedge-nyw5e-000000000000001': archive } } });
  const readOnly = await doctor({ ARVADOS_API_HOST: archives.url, ARVADOS_API_TOKEN: ROOT_TOKEN });
  expect(readOnly).toMatchObject(says('every volume is read-only'));
  expect(readOnly.stdout).toContain('does not take a block');
  await sick[Symbol.asyncDispose]();
});

test('services are listed, those of ARVADOS_KEEP_SERVICES instead if it is set', async () => {
  expect(await cli.ok('services')).toContain(`\tproxy\twritable\t${service.url}`);
  cli.env.ARVADOS_KEEP_SERVICES = 'http://127.0.0.1:9';
  expect(await cli.ok('services')).toContain('http://127.0.0.1:9');
  delete cli.env.ARVADOS_KEEP_SERVICES;
});

test('deploy-config writes tables to standard output and secrets to a file that only we can read', async () => {
  const config = join(cli.home, 'config.yml');
  await writeFile(config, 'Clusters:\n  zzzzz:\n    SystemRootToken: verysecret\n');
  const { stdout, stderr } = await cli.run('deploy-config', config);
  expect(stdout).toContain('CLUSTER_ID = "zzzzz"');
  expect(stdout + stderr).not.toContain('verysecret');
  expect(stderr).toContain('wrangler secret put SYSTEM_ROOT_TOKEN');
  const secrets = join(cli.home, 'secrets.json');
  await cli.ok('deploy-config', config, '--secrets', secrets);
  expect(JSON.parse(await readFile(secrets, 'utf8'))).toEqual({ SYSTEM_ROOT_TOKEN: 'verysecret' });
});

test('completion scripts name every command and option, and bash accepts its own', async () => {
  const bash = join(cli.home, 'completion.bash');
  await writeFile(bash, await cli.ok('completion', 'bash'));
  const offered = async (...words: string[]) => {
    const line = `COMP_WORDS=(keep-edge ${words.join(' ')}); COMP_CWORD=${words.length}`;
    const script = `source ${bash}; ${line}; _keep_edge; echo "\${COMPREPLY[@]}"`;
    return (await run('bash', ['-c', script])).stdout.trim();
  };
  expect(await offered('put', '--st')).toBe('--storage-classes');
  expect(await offered('token', 're')).toBe('revoke');
  expect(await offered('token', 'list', '--u')).toBe('--user');
  expect(await offered('token', 'revoke', '--u')).toBe('');
  for (const shell of ['zsh', 'fish']) {
    const script = await cli.ok('completion', shell);
    expect(script).toContain('storage-classes');
    expect(script).toContain('deploy-config');
  }
});
