import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { api } from '../support/api.ts';
import { cliFor, outputOf } from '../support/cli.ts';
import { killRepeatedly, LONE_FILE_BYTES, makeBlockFiles, nextBlock } from '../support/killed-upload.ts';
import { startService } from '../support/service.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { accepted, acknowledged } from '../support/upload-ledger.ts';

const KILLS = 8;
const BLOCKS = 12;

/** Two blocks a second: however quick the machine, an upload is not over when it is to be interrupted. */
const NETWORK = { bytesPerSecond: 2 * LONE_FILE_BYTES };

/** The full size, with 50 kills, is `npm run test:cli-large -- --only kills`. */
test(`an upload that is killed ${KILLS} times sends no acknowledged block twice, and ends with the right hash`, async () => {
  await using service = await startService();
  await using cli = await cliFor(service, 'killed');
  const source = join(cli.home, 'source');
  await makeBlockFiles(source, BLOCKS);
  const put = ['put', `${source}/`, '--name', 'killed'];
  const { ledger } = await killRepeatedly({ service, cli, put, kills: KILLS });
  const known = ledger.known.size;
  const result = JSON.parse(await cli.ok(...put, '--json'));
  await ledger.look();
  expect(ledger.sentAgain).toEqual([]);
  expect(known).toBeGreaterThan(0);

  const fresh = JSON.parse(await cli.ok('put', `${source}/`, '--no-resume', '--reference', result.uuid, '--json'));
  expect(fresh).toMatchObject({ blocks_sent: 0, portable_data_hash: result.portable_data_hash });
  expect((await cli.run('get', '--verify', result.uuid, source)).code).toBe(0);
}, 300_000);

test('Ctrl-C saves what is stored; from another machine the unfinished collection is the reference', async () => {
  await using service = await startService();
  await using network = await startTcpProxy(service.url, NETWORK);
  await using cli = await cliFor(service, 'interrupted');
  cli.env.ARVADOS_API_HOST = network.url;
  await using elsewhere = await cliFor(service, 'unrelated');
  elsewhere.env.ARVADOS_API_TOKEN = cli.token;
  const source = join(cli.home, 'source');
  await makeBlockFiles(source, BLOCKS);
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
  await using network = await startTcpProxy(service.url, NETWORK);
  await using cli = await cliFor(service, 'slow');
  cli.env.ARVADOS_API_HOST = network.url;
  const source = join(cli.home, 'source');
  await makeBlockFiles(source, BLOCKS);
  const child = cli.start('put', `${source}/`, '--save-every', '2', '--jobs', '1');
  const ended = outputOf(child);
  await service.waitForLog(({ reqMethod, reqPath }) => reqMethod === 'POST' && String(reqPath).endsWith('collections'));
  await setTimeout(500);
  child.kill('SIGKILL');
  await ended;
  await service.allLogged();
  const known = await acknowledged(cli);
  const before = accepted(service);
  // Longer than any signature lives that was given out so far.
  await setTimeout(21_000);
  await cli.ok('put', `${source}/`);
  const { json: list } = await api(service, 'collections', { token: cli.token });
  expect(list.items).toHaveLength(1);
  expect(list.items[0].name).not.toContain('not finished');
  await service.allLogged();
  const saved = [...known].filter((hash) => (before.get(hash) ?? 0) > 0);
  const again = saved.filter((hash) => (accepted(service).get(hash) ?? 0) > (before.get(hash) ?? 0));
  // All but what came after the last save had its signature renewed through the collection.
  expect(again.length).toBeLessThanOrEqual(3);
  expect(saved.length).toBeGreaterThan(0);
}, 300_000);

test('a collection that is updated shows nothing of an upload before its end, and the unfinished one goes away', async () => {
  await using service = await startService();
  await using network = await startTcpProxy(service.url, NETWORK);
  await using cli = await cliFor(service, 'updating');
  cli.env.ARVADOS_API_HOST = network.url;
  const collections = async (): Promise<{ uuid: string; name: string; portable_data_hash: string }[]> =>
    (await api(service, 'collections', { token: cli.token, query: { order: ['created_at'] } })).json.items;
  const first = join(cli.home, 'first');
  await writeFile(first, 'first');
  const target = await cli.ok('put', first, '--name', 'target');
  const [before] = await collections();
  const source = join(cli.home, 'source');
  await makeBlockFiles(source, BLOCKS);
  const put = ['put', `${source}/`, '--update', target, '--save-every', '1', '--jobs', '1'];

  for (const signal of ['SIGKILL', 'SIGINT'] as const) {
    const child = cli.start(...put);
    const ended = outputOf(child);
    const seen = service.logs.length;
    await service.waitForLog(
      ({ reqMethod, reqPath, respStatusCode }) =>
        /^(POST|PUT)$/.test(String(reqMethod)) &&
        /\/collections(\/|$)/.test(String(reqPath)) &&
        respStatusCode === 200 &&
        service.logs.length > seen,
    );
    await nextBlock(service);
    child.kill(signal);
    expect((await ended).code).toBe(signal === 'SIGINT' ? 130 : null);
    const [now, unfinished, ...more] = await collections();
    expect(now).toEqual(before);
    expect(unfinished?.name).toBe(`Upload into ${target} (upload not finished)`);
    expect(more).toEqual([]);
  }
  const result = JSON.parse(await cli.ok(...put, '--json'));
  expect(result.uuid).toBe(target);
  expect(result.blocks_skipped).toBeGreaterThan(0);
  const left = await collections();
  expect(left.map(({ uuid, name }) => ({ uuid, name }))).toEqual([{ uuid: target, name: 'target' }]);
  expect((await cli.ok('ls', target)).split('\n')).toHaveLength(BLOCKS + 200 + 1);
}, 300_000);
