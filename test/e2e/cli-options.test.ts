import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Command, Given } from '../../src/cli/command.ts';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { COMMANDS, findCommand } from '../../src/cli/commands.ts';
import { optionsOf } from '../../src/cli/forms.ts';
import { api, createUser } from '../support/api.ts';
import { createCollection, stored } from '../support/collections.ts';
import { createProject, R2_GATEWAY } from '../support/gateways.ts';
import { blockOf } from '../support/keep.ts';
import { SIGNING_KEY, startService, type TestService } from '../support/service.ts';

/** Runs every form of every command on a real service, and holds the options that it reads to those that it declares. */

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** Words in capitals are made in `beforeAll`. */
const LINES = `
put DIR/in
put --update COLLECTION DIR/in
get COLLECTION DIR/out/
get --verify COLLECTION DIR/out/
get COLLECTION/file -
ls
ls COLLECTION
ls --json
ls --json COLLECTION
cat COLLECTION/file
cp COLLECTION/file COLLECTION/copy
mv COLLECTION/copy COLLECTION/moved
rm COLLECTION/moved
mkdir COLLECTION/directory
mkdir --parents COLLECTION/directory
rm --recursive COLLECTION/directory
rm --force COLLECTION/nothing
manifest COLLECTION
manifest --check COLLECTION
drs COLLECTION/file
s3-key
sign acbd18db4cc2f85cedef654fccc4a4d8+3
search whale
search --status
search --rebuild
share COLLECTION
share COLLECTION --with USER
share COLLECTION --list
share COLLECTION --revoke USER
uploader create sequencer
uploader list
uploader deactivate USER
user list
user add grace
user admin USER --off
user deactivate USER
user activate USER
user transfer USER OTHER
token make
token make --read COLLECTION
token make --upload-only
token make --read-only
token list
token revoke TOKEN
group list
group make people
group members ROLE
group add ROLE OTHER
group remove ROLE OTHER
group delete ROLE
adopt s3://lake/run --into PROJECT
adopt s3://lake/run --dry-run
adopt s3://lake/run --check
adopt s3://lake/run --copy --into PROJECT
adopt s3://lake/run --cancel
balance
balance --dry-run
balance --run
balance --confirm
balance --cancel
balance --explain acbd18db4cc2f85cedef654fccc4a4d8
backup
backup --status
restore
check
check --whole
export DIR/export
import DIR/export
usage
usage PROJECT
usage PROJECT --quota none
usage --collections
usage --history
versions COLLECTION
restore-version COLLECTION
erase COLLECTION --yes
services
doctor
doctor --no-write
deploy-config DIR/config.yml
completion bash
`;

/** Those that show no progress are quiet. */
const OBEYED_UNREAD = ['quiet'];

let service: TestService;
let directory: string;
let made: Record<string, string>;
beforeAll(async () => {
  service = await startService({
    r2: ['LAKE'],
    vars: {
      GATEWAYS: {
        [R2_GATEWAY]: { Name: 'lake', Driver: 'R2', DriverParameters: { Binding: 'LAKE', Bucket: 'lake' } },
      },
    },
  });
  await service.r2('LAKE').put('run/object', new Uint8Array(100));
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-options-'));
  await writeFile(join(directory, 'in'), 'whale');
  await writeFile(join(directory, 'config.yml'), 'Clusters: {xedge: {ManagementToken: x}}');
  const [block] = await stored(service, blockOf('whale'));
  const collection = await createCollection(service, `. ${block.locator} 0:5:file\n`);
  const other = await createUser(service, 'other');
  const admin = await createUser(service, 'admin', { is_admin: true });
  made = {
    DIR: directory,
    COLLECTION: collection.uuid,
    USER: (await createUser(service, 'leaver')).uuid,
    OTHER: other.uuid,
    TOKEN: other.token.split('/')[1] ?? '',
    ROLE: (await api(service, 'groups', { body: { group: { name: 'role', group_class: 'role' } } })).json.uuid,
    PROJECT: await createProject(service, 'project'),
  };
  vi.stubEnv('HOME', directory);
  vi.stubEnv('XDG_CACHE_HOME', join(directory, 'cache'));
  vi.stubEnv('ARVADOS_API_HOST', service.url);
  vi.stubEnv('ARVADOS_API_TOKEN', admin.token);
  vi.stubEnv('BLOB_SIGNING_KEY', SIGNING_KEY);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await service.stop();
  await rm(directory, { recursive: true });
});

test('every form of every command reads the options that it takes, and no others', async () => {
  const wrong: string[] = [];
  const read = new Map<string, Set<string>>();
  for (const line of LINES.trim().split('\n')) {
    const [name = '', ...words] = line.split(' ');
    const command = findCommand(name) as Command;
    const given = parseCommandLine(
      command,
      words.map((word) => word.replace(/[A-Z]+/, (key) => made[key] ?? key)),
    );
    const reads = read.get(`${name} ${given.form}`) ?? new Set<string>();
    read.set(`${name} ${given.form}`, reads);
    // Some end with an error, such as that no balancing run waits for --confirm.
    await quietly(() => command.run(noting(given, reads))).catch(() => undefined);
  }
  for (const command of COMMANDS)
    for (const form of Object.keys(command.forms)) {
      const reads = read.get(`${command.name} ${form}`);
      if (reads === undefined) {
        wrong.push(`${command.name} ${form}: no line here runs it`);
        continue;
      }
      const isDryRun = form.includes('--dry-run');
      const takes = optionsOf(command, form).filter((option) => !isSwitchOf(command, form, option));
      // Who tries something out takes options away last.
      for (const option of takes)
        if (!reads.has(option) && !isDryRun && !OBEYED_UNREAD.includes(option))
          wrong.push(`${command.name} ${form}: takes --${option}, and never reads it`);
      for (const option of reads)
        if (!takes.includes(option)) wrong.push(`${command.name} ${form}: reads --${option}, which it does not take`);
    }
  expect(wrong).toEqual([]);
});

/** A switch that says which form it is needs not be read again. */
function isSwitchOf({ options }: Command, form: string, option: string): boolean {
  return options[option]?.value === null && form.split(' ').includes(`--${option}`);
}

/** The same line, keeping account of the options that are looked at. */
function noting(given: Given, reads: Set<string>): Given {
  const noted =
    <Rest extends unknown[], Value>(look: (name: string, ...rest: Rest) => Value) =>
    (name: string, ...rest: Rest): Value => {
      reads.add(name);
      return look(name, ...rest);
    };
  return { ...given, has: noted(given.has), text: noted(given.text), all: noted(given.all), count: noted(given.count) };
}

/** What a command prints is not looked at here. */
async function quietly(run: () => Promise<unknown>): Promise<void> {
  const swallow = (...[, encoding, done]: unknown[]) => {
    for (const call of [encoding, done]) if (typeof call === 'function') call();
    return true;
  };
  const spies = [
    ...[process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockImplementation(swallow)),
    ...(['log', 'error'] as const).map((name) => vi.spyOn(console, name).mockImplementation(swallow)),
  ];
  await run().finally(() => {
    for (const spy of spies) spy.mockRestore();
  });
}
