import { randomFillSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Cli, cliFor, treeDigest } from '../support/cli.ts';
import { startService, type TestService } from '../support/service.ts';

/** Small files that share a block with a large one. */

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const MIB = 2 ** 20;
let service: TestService;
let cli: Cli;
let source: string;
let uuid: string;
beforeAll(async () => {
  service = await startService();
  cli = await cliFor(service, 'ranger');
  source = join(cli.home, 'source');
  mkdirSync(join(source, 'sub dir #1'), { recursive: true });
  writeFileSync(join(source, 'large'), randomFillSync(new Uint8Array(60 * MIB)));
  writeFileSync(join(source, 'small'), randomFillSync(new Uint8Array(5_000)));
  writeFileSync(join(source, 'sub dir #1/ünï%20?'), 'odd name');
  uuid = await cli.ok('put', `${source}/`);
});
afterAll(async () => {
  await service.stop();
  await cli[Symbol.asyncDispose]();
});

/** Blocks that were fetched since the last call. */
let seen = 0;
async function blockReads(): Promise<number> {
  await service.allLogged();
  const reads = service.logs.filter(
    (line) =>
      typeof line === 'object' &&
      line.reqMethod === 'GET' &&
      /[0-9a-f]{32}\+/.test(String(line.reqPath)) &&
      line.respStatusCode === 200 &&
      !String(line.reqPath).includes('c='),
  ).length;
  const fresh = reads - seen;
  seen = reads;
  return fresh;
}

test('cat and get of a small file in a large block read its bytes alone', async () => {
  await blockReads();
  expect(await cli.ok('cat', `${uuid}/sub dir #1/ünï%20?`)).toBe('odd name');
  const target = join(cli.home, 'small');
  const { bytes_fetched } = JSON.parse(await cli.ok('get', `${uuid}/small`, target, '--json'));
  expect(bytes_fetched).toBe(5_000);
  expect(readFileSync(target).equals(readFileSync(join(source, 'small')))).toBe(true);
  const directory = join(cli.home, 'directory');
  expect(JSON.parse(await cli.ok('get', `${uuid}/sub dir #1`, directory, '--json')).bytes_fetched).toBe(8);
  expect(treeDigest(directory)).toEqual(treeDigest(join(source, 'sub dir #1')));
  expect(await blockReads()).toBe(0);
});

test('--whole-blocks fetches the block and checks it here', async () => {
  await blockReads();
  expect(await cli.ok('cat', `${uuid}/sub dir #1/ünï%20?`, '--whole-blocks')).toBe('odd name');
  const target = join(cli.home, 'small, whole');
  const result = JSON.parse(await cli.ok('get', `${uuid}/small`, target, '--json', '--whole-blocks'));
  expect(result.bytes_fetched).toBeGreaterThan(60 * MIB);
  expect(await blockReads()).toBe(2);
});

test('what uses most of a block fetches it once', async () => {
  await blockReads();
  const target = join(cli.home, 'all');
  expect(JSON.parse(await cli.ok('get', uuid, target, '--json')).blocks_fetched).toBe(1);
  expect(treeDigest(target)).toEqual(treeDigest(source));
  expect(await blockReads()).toBe(1);
});

test('where the service for files refuses, the block is fetched instead', async () => {
  await using barred = await startService({ vars: { WEBDAV_PERMISSION: { User: { Download: false } } } });
  await using other = await cliFor(barred, 'barred');
  const id = await other.ok('put', `${source}/`);
  expect(await other.ok('cat', `${id}/sub dir #1/ünï%20?`)).toBe('odd name');
  const target = join(other.home, 'small');
  await other.ok('get', `${id}/small`, target);
  expect(readFileSync(target).equals(readFileSync(join(source, 'small')))).toBe(true);
});
