import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createNodePlatform } from '../../src/cli/node-platform.ts';
import { createKeepClient, type KeepClientOptions } from '../../src/services/keep-client.ts';
import { servicesFromUrls } from '../../src/services/keep-service.ts';
import { sourceOfBytes } from '../../src/services/put-block.ts';
import { accessibleServices, fixedServices } from '../../src/services/service-source.ts';
import { api } from '../support/api.ts';
import { md5, randomBlock, type TestBlock } from '../support/keep.ts';
import { hanging, type KeepServer, serving, startKeepServer } from '../support/keep-server.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

/** Three services as the keepstores of one cluster, listed by one of them; the client is the one that the command line uses. */
const platform = createNodePlatform();
const VOLUME = {
  Driver: 'R2',
  DriverParameters: { Binding: 'BLOCKS', PrefixLength: 3 },
  Replication: 1,
};
let stores: TestService[];
let faulty: KeepServer;

const clientOf = (options: Partial<KeepClientOptions> = {}) =>
  createKeepClient({
    services: fixedServices(disks(stores.map(({ url }) => url))),
    token: ROOT_TOKEN,
    platform,
    retry: { rounds: 2, firstPauseMs: 10, maxPauseMs: 10 },
    ...options,
  });
const disks = (urls: string[]) => servicesFromUrls(urls).map((service) => ({ ...service, type: 'disk' }));
const holders = async ({ hash }: TestBlock) => {
  const found = await Promise.all(stores.map((store) => store.r2('BLOCKS').get(`${hash.slice(0, 3)}/${hash}`)));
  return stores.filter((_, index) => found[index] !== null);
};
const bytesOf = ({ data }: TestBlock) => new Uint8Array(data);

beforeAll(async () => {
  stores = await Promise.all(
    [1, 2, 3].map((number) =>
      startService({
        vars: { CLUSTER_ID: 'xdisk', VOLUMES: { [`xdisk-nyw5e-00000000000000${number}`]: VOLUME }, EDGE_CACHE: false },
      }),
    ),
  );
  faulty = await startKeepServer();
});
afterAll(async () => {
  platform.close();
  await Promise.all([faulty, ...stores].map((one) => one.stop()));
});
beforeEach(() => {
  faulty.seen.length = 0;
});

test.each([1, 2, 3])('%i copies go to as many keepstores, and every byte comes back', async (replicas) => {
  const block = randomBlock(2_000_000);
  const result = await clientOf().put(sourceOfBytes(block.hash, bytesOf(block)), {
    replicas,
    storageClasses: ['default'],
  });
  expect(result).toMatchObject({ replicas, classes: { default: replicas } });
  expect(result.locator).toMatch(new RegExp(`^${block.hash}\\+2000000\\+A[0-9a-f]{40}@[0-9a-f]{8}$`));
  expect(await holders(block)).toHaveLength(replicas);
  expect(md5(await clientOf().getVerified(result.locator))).toBe(block.hash);
  const { body, size } = await clientOf().get(result.locator);
  expect([size, md5(new Uint8Array(await new Response(body).arrayBuffer()))]).toEqual([2_000_000, block.hash]);
  expect(await clientOf().head(result.locator)).toEqual({ size: 2_000_000, locator: null });
});

test('a block of 64 MiB goes there and back', async () => {
  const block = randomBlock(64 << 20);
  const { locator } = await clientOf().put(sourceOfBytes(block.hash, bytesOf(block)), { replicas: 1 });
  expect(md5(await clientOf().getVerified(locator))).toBe(block.hash);
});

test('services come from the API server, where the admin has registered them', async () => {
  for (const { url } of stores) {
    const { hostname, port } = new URL(url);
    const made = await api(stores[0]!, 'keep_services', {
      body: { keep_service: { service_host: hostname, service_port: Number(port), service_type: 'disk' } },
    });
    expect(made.status).toBe(200);
  }
  const services = accessibleServices(stores[0]!.url, { token: ROOT_TOKEN });
  const types = (await services.list()).map(({ type }) => type).sort();
  expect(types).toEqual(['disk', 'disk', 'disk', 'proxy']);
  const block = randomBlock(1000);
  const client = clientOf({ services });
  const { locator } = await client.put(sourceOfBytes(block.hash, bytesOf(block)), { replicas: 2 });
  expect(md5(await client.getVerified(locator))).toBe(block.hash);
});

test('a token that may not write is told so by every service, once', async () => {
  const block = randomBlock(1000);
  const writing = clientOf({ token: 'unknown' }).put(sourceOfBytes(block.hash, bytesOf(block)), { replicas: 1 });
  await expect(writing).rejects.toMatchObject({
    code: 'unavailable',
    answers: [{ status: 401 }, { status: 401 }, { status: 401 }],
  });
});

test('a hanging, a trickling and a lying service in front cost time, but no data', async () => {
  const block = randomBlock(300_000);
  const { locator } = await clientOf().put(sourceOfBytes(block.hash, bytesOf(block)), { replicas: 3 });
  const corrupt = Uint8Array.from(block.data);
  corrupt[7]! ^= 1;
  const behaviours = {
    hanging,
    trickling: async (_request: unknown, response: Parameters<typeof hanging>[1]) => {
      response.writeHead(200, { 'Content-Length': '300000' });
      while (!response.destroyed) {
        response.write('drip');
        await wait(50);
      }
      return undefined;
    },
    lying: serving(corrupt),
  };
  for (const behaviour of Object.values(behaviours)) {
    faulty.behave(behaviour);
    faulty.seen.length = 0;
    // The hint makes it the first to be asked.
    const [gateway] = servicesFromUrls([faulty.url]);
    const uuid = 'xdisk-bi6l4-faultyfaultyfau';
    const services = fixedServices([
      ...disks(stores.map(({ url }) => url)),
      { ...gateway!, uuid, type: 'gateway:test' },
    ]);
    const client = clientOf({ services, limits: { bytesPerSecond: 8_192, windowMs: 2_400 } });
    expect(md5(await client.getVerified(`${locator}+K@${uuid}`))).toBe(block.hash);
    expect(faulty.seen).toHaveLength(1);
  }
});

test('with the first keepstore killed the others serve, and take its writes', async () => {
  const block = randomBlock(100_000);
  const { locator } = await clientOf().put(sourceOfBytes(block.hash, bytesOf(block)), { replicas: 2 });
  const [first] = await holders(block);
  await first!.kill();
  expect(md5(await clientOf().getVerified(locator))).toBe(block.hash);
  const written = randomBlock(100_000);
  const alive = clientOf();
  expect(await alive.put(sourceOfBytes(written.hash, bytesOf(written)), { replicas: 2 })).toMatchObject({
    replicas: 2,
  });
  await expect(alive.put(sourceOfBytes(written.hash, bytesOf(written)), { replicas: 3 })).rejects.toMatchObject({
    replicas: 2,
  });
  await first!.restart();
});
