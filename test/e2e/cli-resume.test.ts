import { randomFillSync } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { api } from '../support/api.ts';
import { type Cli, cliFor, outputOf } from '../support/cli.ts';
import { startService, type TestService } from '../support/service.ts';

/**
 * How often an upload is killed, and over how much data. `KILLS=50 KILL_BLOCKS=100 npx vitest run --project e2e
 * test/e2e/cli-resume.test.ts` is the full run, of some minutes.
 */
const KILLS = Number(process.env.KILLS ?? 8);
const BLOCKS = Number(process.env.KILL_BLOCKS ?? 12);
const TIMEOUT_MS = 60_000 + KILLS * 30_000;
const MIB = 2 ** 20;
/** Two of these do not fit into one block: every file is a block of its own. */
const FILE_BYTES = 33 * MIB;

/** Blocks that the service has accepted, with how often. */
function accepted(service: TestService): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of service.logs) {
    if (typeof line === 'string' || line.reqMethod !== 'PUT' || line.respStatusCode !== 200) continue;
    const hash = String(line.reqPath).slice(-32);
    counts.set(hash, (counts.get(hash) ?? 0) + 1);
  }
  return counts;
}

/** Blocks that the command line has on record as acknowledged. */
async function acknowledged(cli: Cli): Promise<Set<string>> {
  const directory = join(cli.home, '.cache/keep-edge/put');
  const hashes = new Set<string>();
  for (const file of await readdir(directory).catch(() => [])) {
    if (!file.endsWith('.log')) continue;
    const text = await readFile(join(directory, file), 'latin1');
    for (const [, hash] of text.matchAll(/^\{"block":"([0-9a-f]{32})\+\d+\+A[^"]*".*\}\n/gm)) hashes.add(hash!);
  }
  return hashes;
}

async function nextBlock(service: TestService): Promise<void> {
  const total = () => [...accepted(service).values()].reduce((sum, count) => sum + count, 0);
  const before = total();
  while (total() === before) await setTimeout(5);
}

async function makeFiles(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (let number = 0; number < BLOCKS; number++)
    await writeFile(join(directory, `file ${number}`), randomFillSync(new Uint8Array(FILE_BYTES)));
  for (let number = 0; number < 200; number++) await writeFile(join(directory, `small ${number}`), `small ${number}`);
}

test(`an upload that is killed ${KILLS} times sends no acknowledged block twice, and ends with the right hash`, {
  timeout: TIMEOUT_MS,
}, async () => {
  await using service = await startService();
  await using cli = await cliFor(service, 'killed');
  const source = join(cli.home, 'source');
  await makeFiles(source);
  const sentAgain: string[] = [];
  let known = new Set<string>();
  let before = new Map<string, number>();
  /** Between two looks at the log: acknowledged blocks must not come again. */
  const look = () => {
    const now = accepted(service);
    for (const hash of known) if ((now.get(hash) ?? 0) > (before.get(hash) ?? 0)) sentAgain.push(hash);
    before = now;
  };
  for (let kill = 0; kill < KILLS; kill++) {
    const child = cli.start('put', `${source}/`, '--name', 'killed');
    const ended = outputOf(child);
    // Some at any moment, some when a block has just come to the service: before and after it is on record.
    if (kill % 3 === 0) await nextBlock(service);
    else await setTimeout(100 + Math.random() * 1500);
    await setTimeout(Math.random() * 200);
    child.kill('SIGKILL');
    await ended;
    // What was on its way arrives, or breaks off.
    await setTimeout(300);
    look();
    known = await acknowledged(cli);
    before = accepted(service);
  }
  const result = JSON.parse(await cli.ok('put', `${source}/`, '--name', 'killed', '--json'));
  look();
  expect(sentAgain).toEqual([]);
  expect(known.size).toBeGreaterThan(0);

  const fresh = JSON.parse(await cli.ok('put', `${source}/`, '--no-resume', '--reference', result.uuid, '--json'));
  expect(fresh).toMatchObject({ blocks_sent: 0, portable_data_hash: result.portable_data_hash });
  expect((await cli.run('get', '--verify', result.uuid, source)).code).toBe(0);
  console.log(`${KILLS} kills, ${known.size} of ${BLOCKS + 1} blocks acknowledged at the last one`);
});

test('Ctrl-C saves what is stored; from another machine the unfinished collection is the reference', async () => {
  await using service = await startService();
  await using cli = await cliFor(service, 'interrupted');
  await using elsewhere = await cliFor(service, 'unrelated');
  elsewhere.env.ARVADOS_API_TOKEN = cli.token;
  const source = join(cli.home, 'source');
  await makeFiles(source);
  const child = cli.start('put', `${source}/`, '--name', 'data');
  const ended = outputOf(child);
  await service.waitForLog(({ reqMethod, respStatusCode }) => reqMethod === 'PUT' && respStatusCode === 200);
  await setTimeout(500);
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130, stderr: expect.stringContaining('Run the same command again') });
  const { json: list } = await api(service, 'collections', { token: cli.token });
  expect(list.items).toHaveLength(1);
  const [{ uuid, name }] = list.items;
  expect(name).toBe('data (upload not finished)');

  const stored = (await acknowledged(cli)).size;
  expect(stored).toBeGreaterThan(0);
  const there = JSON.parse(
    await elsewhere.ok('put', `${source}/`, '--name', 'data elsewhere', '--reference', uuid, '--json'),
  );
  expect(there.blocks_skipped).toBe(stored);

  const here = JSON.parse(await cli.ok('put', `${source}/`, '--name', 'data', '--json'));
  expect(here).toMatchObject({ uuid, name: 'data', portable_data_hash: there.portable_data_hash });
}, 300_000);

test('signatures that are about to expire are renewed on the way, and after it', async () => {
  await using service = await startService({ vars: { BLOB_SIGNING_TTL: '20s' } });
  await using cli = await cliFor(service, 'slow');
  const source = join(cli.home, 'source');
  await makeFiles(source);
  const child = cli.start('put', `${source}/`, '--save-every', '2');
  const ended = outputOf(child);
  await service.waitForLog(({ reqMethod, reqPath }) => reqMethod === 'POST' && String(reqPath).endsWith('collections'));
  await setTimeout(1000);
  child.kill('SIGKILL');
  await ended;
  const known = await acknowledged(cli);
  const before = accepted(service);
  // Longer than any signature lives that was given out so far.
  await setTimeout(21_000);
  await cli.ok('put', `${source}/`);
  const { json: list } = await api(service, 'collections', { token: cli.token });
  expect(list.items).toHaveLength(1);
  expect(list.items[0].name).not.toContain('not finished');
  const saved = [...known].filter((hash) => (before.get(hash) ?? 0) > 0);
  const again = saved.filter((hash) => (accepted(service).get(hash) ?? 0) > (before.get(hash) ?? 0));
  // All but what came after the last save had its signature renewed through the collection.
  expect(again.length).toBeLessThanOrEqual(3);
  expect(saved.length).toBeGreaterThan(0);
}, 300_000);
