import { randomFillSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Cli, cliFor, outputOf, treeDigest } from '../support/cli.ts';
import { LONE_FILE_BYTES } from '../support/killed-upload.ts';
import { startService, type TestService } from '../support/service.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { uploadLedger } from '../support/upload-ledger.ts';

/** The command line over a network that is cut, that swallows, and that comes back. */

const FILES = 8;

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

let service: TestService;
let proxy: TcpProxy;
let cli: Cli;
beforeAll(async () => {
  service = await startService();
  proxy = await startTcpProxy(service.url);
  cli = await cliFor(service, 'network');
  cli.env.ARVADOS_API_HOST = proxy.url;
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

async function makeFiles(name: string): Promise<string> {
  const directory = join(cli.home, name);
  await mkdir(directory);
  for (let number = 0; number < FILES; number++)
    await writeFile(join(directory, `file ${number}`), randomFillSync(new Uint8Array(LONE_FILE_BYTES)));
  return directory;
}

test('an upload that is cut off in the middle of blocks goes on by itself, and sends no acknowledged block twice', async () => {
  const source = await makeFiles('cut');
  const ledger = uploadLedger(service, cli);
  const ended = outputOf(cli.start('put', `${source}/`, '--json'));
  for (let cut = 0; cut < 3; cut++) {
    await proxy.passed(1.5 * LONE_FILE_BYTES);
    proxy.cut();
    await ledger.look();
  }
  const { code, stdout, stderr } = await ended;
  await ledger.look();
  expect({ code, sentAgain: ledger.sentAgain }, stderr).toEqual({ code: 0, sentAgain: [] });
  expect(stderr).toContain('Trying again in');
  expect((await cli.run('get', '--verify', JSON.parse(stdout).uuid, source)).code).toBe(0);
});

test('an upload whose network stays away ends with advice; the same command goes on where it was', async () => {
  const source = await makeFiles('away');
  const ledger = uploadLedger(service, cli);
  await ledger.look();
  const earlier = ledger.known.size;
  const ended = outputOf(cli.start('put', `${source}/`, '--retries', '1'));
  await proxy.passed(3.5 * LONE_FILE_BYTES);
  await proxy.close();
  const { code, stdout, stderr } = await ended;
  await proxy.open();
  await ledger.look();
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('ECONNREFUSED');
  expect(stderr).toContain('run the same command again to go on');
  const stored = ledger.known.size - earlier;
  const result = JSON.parse(await cli.ok('put', `${source}/`, '--json'));
  await ledger.look();
  expect(ledger.sentAgain).toEqual([]);
  expect(stored).toBeGreaterThan(0);
  expect(result).toMatchObject({ blocks_skipped: stored, blocks_sent: FILES - stored });
});

test('Ctrl-C while the network is away ends the command at once', async () => {
  const source = await makeFiles('interrupted');
  const child = cli.start('put', `${source}/`);
  const ended = outputOf(child);
  await proxy.passed(3.5 * LONE_FILE_BYTES);
  await proxy.close();
  await setTimeout(1000);
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  await proxy.open();
  expect(code).toBe(130);
  expect(stderr).toContain('on record here. Run the same command again to go on.');
  expect(JSON.parse(await cli.ok('put', `${source}/`, '--json')).blocks_skipped).toBeGreaterThan(0);
});

test('a service that comes back while an upload runs is used again', async () => {
  const source = await makeFiles('restarted');
  const ledger = uploadLedger(service, cli);
  const ended = outputOf(cli.start('put', `${source}/`));
  await proxy.passed(3.5 * LONE_FILE_BYTES);
  await service.kill();
  await ledger.look();
  await service.restart();
  const { code, stdout, stderr } = await ended;
  await ledger.look();
  expect({ code, sentAgain: ledger.sentAgain }, stderr).toEqual({ code: 0, sentAgain: [] });
  expect((await cli.run('get', '--verify', stdout.trim(), source)).code).toBe(0);
});

test('a download that is cut off goes on by itself; one that is interrupted meanwhile fetches only the rest afterwards', async () => {
  const source = await makeFiles('down');
  const uuid = await cli.ok('put', `${source}/`);
  const target = join(cli.home, 'downloaded');
  const ended = outputOf(cli.start('get', uuid, target, '--json'));
  for (let cut = 0; cut < 2; cut++) {
    await proxy.passed(1.5 * LONE_FILE_BYTES);
    proxy.cut();
  }
  const { code, stdout, stderr } = await ended;
  expect({ code }, stderr).toEqual({ code: 0 });
  expect(JSON.parse(stdout)).toMatchObject({ files: FILES, blocks_fetched: FILES });
  expect(treeDigest(target)).toEqual(treeDigest(source));

  const again = join(cli.home, 'downloaded again');
  const child = cli.start('get', uuid, again);
  const interrupted = outputOf(child);
  await proxy.passed(4.5 * LONE_FILE_BYTES);
  await proxy.close();
  await setTimeout(500);
  child.kill('SIGINT');
  expect((await interrupted).code).toBe(130);
  await proxy.open();
  const { blocks_fetched } = JSON.parse(await cli.ok('get', uuid, again, '--json'));
  expect(blocks_fetched).toBeLessThan(FILES);
  expect(treeDigest(again)).toEqual(treeDigest(source));
});

test('connections that swallow everything are given up after the time that is set, up and down', async () => {
  cli.env.KEEP_EDGE_LOW_SPEED_SECONDS = '16';
  const known = await makeFiles('known');
  const uuid = await cli.ok('put', `${known}/`);
  const fresh = await makeFiles('fresh');
  const target = join(cli.home, 'out of the hole');
  const up = outputOf(cli.start('put', `${fresh}/`));
  await using other = await startTcpProxy(service.url);
  cli.env.ARVADOS_API_HOST = other.url;
  const down = outputOf(cli.start('get', uuid, target));
  cli.env.ARVADOS_API_HOST = proxy.url;
  // Each of them in the middle of its own.
  await Promise.all([proxy, other].map((network) => network.passed(2.5 * LONE_FILE_BYTES).then(network.stall)));
  const ends = await Promise.all([up, down]);
  for (const { code, stderr } of ends) {
    expect({ code }, stderr).toEqual({ code: 0 });
    expect(stderr).toMatch(/slower than .* Trying again in/);
  }
  expect(treeDigest(target)).toEqual(treeDigest(known));
});
