import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  BLOCK_BYTES,
  blockOf,
  eachOf,
  getBlock,
  md5,
  putBlock,
  randomBlock,
  request,
  type TestBlock,
} from '../support/keep.ts';
import {
  answering,
  type Behaviour,
  DEAD_URL,
  hanging,
  type KeepServer,
  serving,
  startKeepServer,
} from '../support/keep-server.ts';
import { indexOf, MOUNT, putList, putPull, waitForList } from '../support/queues.ts';
import { startService, type TestService } from '../support/service.ts';

/** Pull lists worked off: from a second running service, from servers that are down, lie or hang, and over a SIGKILL. */

const PULL_TOKEN = 'keepstore-token-used-for-pulling-data-from-same-cluster';
const READ_ONLY = 'xedge-nyw5e-00000readonly00';
const VARS = {
  EDGE_CACHE: false,
  VOLUMES: {
    [MOUNT]: { Driver: 'R2', DriverParameters: { Binding: 'BLOCKS', PrefixLength: 3 } },
    [READ_ONLY]: { Driver: 'R2', ReadOnly: true, DriverParameters: { Binding: 'ARCHIVE' } },
  },
};

/** A block for which the servers are asked in exactly this order. */
function blockFor(urls: string[], size: number): TestBlock {
  for (;;) {
    const block = randomBlock(size);
    const order = [...urls].sort((a, b) => (md5(block.hash + a) < md5(block.hash + b) ? 1 : -1));
    if (order.every((url, i) => url === urls[i])) return block;
  }
}

/** The block that a request's path asks for. */
const blockIn = (dataOf: Map<string, Uint8Array>, path = '') => {
  const body = dataOf.get(path.slice(1, 33)) ?? new Uint8Array(0);
  return { status: 200, headers: { 'Content-Length': String(body.length) }, body };
};

const stored = async (service: TestService, block: TestBlock) => {
  const { status, body } = await getBlock(service.url, block);
  return status === 200 && md5(body) === block.hash;
};

describe('a pull list', () => {
  let source: TestService;
  let service: TestService;
  let server: KeepServer;
  beforeAll(async () => {
    [source, service, server] = await Promise.all([
      startService(),
      startService({ vars: VARS, r2: ['ARCHIVE'] }),
      startKeepServer(),
    ]);
  });
  afterAll(() => Promise.all([source?.stop(), service?.stop(), server?.stop()]));

  test('fetches blocks of every size from another service, which only lets in who has its signature', async () => {
    const blocks = [1, 1000, 300_000, 5_000_000, BLOCK_BYTES].map(randomBlock);
    for (const block of blocks) await putBlock(source.url, block);
    await putPull(
      service,
      blocks.map(({ locator }) => ({ locator, servers: [source.url] })),
    );
    expect(await waitForList(service, 'pull')).toMatchObject({ done: { pulled: 5 }, failed: {} });
    for (const block of blocks) expect(await stored(service, block)).toBe(true);
  });

  test('carries the id of the request that sent it to the servers it asks and into its log lines', async () => {
    server.behave(() => ({ status: 404 }));
    const block = randomBlock(10);
    const list = JSON.stringify([{ locator: block.locator, servers: [server.url], mount_uuid: MOUNT }]);
    const headers = { 'X-Request-Id': 'req-of-the-balancer' };
    const sent = await request(`${service.url}/pull`, { method: 'PUT', body: list, headers });
    expect(sent.headers.get('X-Request-Id')).toBe('req-of-the-balancer');
    expect(await waitForList(service, 'pull')).toMatchObject({ failed: { not_delivered: 1 } });
    expect(server.seen.at(-1)!.headers['x-request-id']).toBe('req-of-the-balancer');
    for (const msg of ['pull failed', 'pull list done'])
      await service.waitForLog((line) => line.msg === msg && line.RequestID === 'req-of-the-balancer');
  });

  test('goes on with the next server when one is down and the next has bad data', async () => {
    const block = blockFor([DEAD_URL, server.url, source.url], 100_000);
    await putBlock(source.url, block);
    for (const bad of [randomBlock(100_000).data, block.data.subarray(0, 99_999), new Uint8Array(0)]) {
      await service.r2('BLOCKS').delete(`${block.hash.slice(0, 3)}/${block.hash}`);
      server.behave(serving(bad));
      const before = server.seen.length;
      await putPull(service, [{ locator: block.locator, servers: [source.url, server.url, DEAD_URL] }]);
      expect(await waitForList(service, 'pull')).toMatchObject({ done: { pulled: 1 }, failed: {} });
      expect(server.seen.length).toBe(before + 1);
      expect(await stored(service, block)).toBe(true);
    }
  });

  test('shows the token that keepstores show each other, and asks each server once', async () => {
    const block = randomBlock(100);
    server.behave(answering(503));
    const before = server.seen.length;
    await putPull(service, [{ locator: block.locator, servers: [`${server.url}/`, server.url] }]);
    const status = await waitForList(service, 'pull');
    expect(status).toMatchObject({ done: {}, failed: { not_delivered: 1 } });
    expect(status.lastErrors[0]?.message).toContain('503');
    expect(status.lastErrors[0]?.message).not.toContain(PULL_TOKEN);
    const [request] = server.seen.slice(before);
    expect(request?.headers.authorization).toBe(`Bearer ${PULL_TOKEN}`);
    expect(request?.path).toMatch(new RegExp(`^/${block.hash}\\+100\\+A[0-9a-f]{40}@[0-9a-f]{8}$`));
    await service.waitForLog(({ msg, reason }) => msg === 'pull failed' && reason === 'not_delivered');
  });

  test('fetches a block from a server that announces no length: the locator has the size', async () => {
    const block = randomBlock(400_000);
    const unannounced =
      (data: Uint8Array): Behaviour =>
      (_request, response) => {
        response.writeHead(200);
        response.write(data.subarray(0, 1000));
        response.end(data.subarray(1000));
        return undefined;
      };
    server.behave(unannounced(block.data.subarray(0, -1)));
    await putPull(service, [{ locator: block.locator, servers: [server.url] }]);
    await waitForList(service, 'pull');
    expect(await stored(service, block)).toBe(false);
    server.behave(unannounced(block.data));
    await putPull(service, [{ locator: block.locator, servers: [server.url] }]);
    await waitForList(service, 'pull');
    expect(await stored(service, block)).toBe(true);
  });

  test('does not store what no server has right', async () => {
    const block = randomBlock(70_000);
    server.behave(serving(randomBlock(70_000).data));
    await putPull(service, [{ locator: block.locator, servers: [server.url] }]);
    expect(await waitForList(service, 'pull')).toMatchObject({ failed: { not_delivered: 1 } });
    expect((await getBlock(service.url, block)).status).toBe(404);
    expect((await indexOf(service)).has(block.locator)).toBe(false);
  });

  test('neither follows redirects nor asks at odd addresses', async () => {
    const block = randomBlock(100);
    await putBlock(source.url, block);
    server.behave(({ url }) => ({ status: 302, headers: { location: `${source.url}${url}` } }));
    const { host } = new URL(source.url);
    const odd = [
      `http://user:password@${host}`,
      `ftp://${host}`,
      `http://${host}/?`,
      'localhost',
      'file:///etc/passwd',
    ];
    await putPull(service, [
      { locator: block.locator, servers: [server.url] },
      { locator: block.locator, servers: odd },
      { locator: block.locator, servers: [] },
    ]);
    const status = await waitForList(service, 'pull');
    expect(status).toMatchObject({ done: {}, failed: { not_delivered: 1, no_source: 2 } });
    expect(JSON.stringify(status)).not.toContain('password@');
  });

  test('touches a block that is there already, without asking a server', async () => {
    const block = randomBlock(100);
    await putBlock(service.url, block);
    const before = (await indexOf(service)).get(block.locator) ?? 0n;
    await setTimeout(1_100);
    const asked = server.seen.length;
    await putPull(service, [{ locator: block.locator, servers: [server.url] }]);
    expect(await waitForList(service, 'pull')).toMatchObject({ done: { present: 1 } });
    expect(server.seen.length).toBe(asked);
    expect((await indexOf(service)).get(block.locator)).toBeGreaterThan(before);
  });

  test('stores the empty block without asking a server', async () => {
    const empty = blockOf('');
    await putPull(service, [{ locator: empty.locator, servers: [] }]);
    expect(await waitForList(service, 'pull')).toMatchObject({ done: { pulled: 1 } });
    expect((await indexOf(service)).has(empty.locator)).toBe(true);
  });

  test('refuses mounts that are unknown or read-only, and chooses one itself when none is named', async () => {
    const block = randomBlock(100);
    await putBlock(source.url, block);
    const entry = { locator: block.locator, servers: [source.url] };
    await putPull(service, [
      { ...entry, mount: READ_ONLY },
      { ...entry, mount: 'xedge-nyw5e-zzzzzzzzzzzzzzz' },
      { ...entry, mount: '' },
    ]);
    expect(await waitForList(service, 'pull')).toMatchObject({
      done: { pulled: 1 },
      failed: { read_only: 1, unknown_mount: 1 },
    });
    expect(await service.r2('BLOCKS').list(`${block.hash.slice(0, 3)}/`)).toContain(
      `${block.hash.slice(0, 3)}/${block.hash}`,
    );
  });

  test('says which entries are no locators of blocks, wherever they stand, and goes on with the others', async () => {
    const block = randomBlock(100);
    await putBlock(source.url, block);
    const entry = { servers: [source.url] };
    const malformed = ['nonsense', block.hash, `${block.hash}+-3`, `${block.hash}+67108865`, ''];
    const answer = await putPull(service, [
      ...malformed.map((locator) => ({ ...entry, locator })),
      { ...entry, locator: block.locator },
    ]);
    expect(answer.status).toBe(200);
    const status = await waitForList(service, 'pull');
    expect(status).toMatchObject({ done: { pulled: 1 }, failed: { invalid_locator: malformed.length } });
    await service.waitForLog(
      ({ msg, reason, locator }) => [msg, reason, locator].join() === 'pull failed,invalid_locator,nonsense',
    );
  });

  test('lets what is in progress end when the next list comes, and forgets the rest', async () => {
    const blocks = Array.from({ length: 12 }, () => randomBlock(200));
    const next = Array.from({ length: 3 }, () => randomBlock(200));
    const dataOf = new Map([...blocks, ...next].map((block) => [block.hash, block.data]));
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const gated: Behaviour = async (request) => {
      await gate;
      return blockIn(dataOf, request.url);
    };
    server.behave(gated);
    const before = server.seen.length;
    await putPull(
      service,
      blocks.map(({ locator }) => ({ locator, servers: [server.url] })),
    );
    const { inProgress } = await waitForList(service, 'pull', (status) => status.inProgress === 6);
    await putPull(
      service,
      next.map(({ locator }) => ({ locator, servers: [server.url] })),
    );
    release();
    const status = await waitForList(service, 'pull');
    expect(status).toMatchObject({ list: { entries: 3 }, done: { pulled: 3 } });
    expect(server.seen.length - before).toBe(inProgress + next.length);
    for (const block of [...blocks.slice(0, inProgress), ...next]) expect(await stored(service, block)).toBe(true);
  });

  test('asks only hosts in PULL_HOSTS, where that is set', async () => {
    const block = randomBlock(100);
    await putBlock(source.url, block);
    await service.restart({ PULL_HOSTS: `keep0.example.org ${new URL(server.url).host}` });
    await putPull(service, [{ locator: block.locator, servers: [source.url] }]);
    const status = await waitForList(service, 'pull');
    expect(status.lastErrors[0]).toMatchObject({ reason: 'no_source', message: expect.stringContaining('PULL_HOSTS') });
    await service.restart({ PULL_HOSTS: new URL(source.url).hostname });
    await putPull(service, [{ locator: block.locator, servers: [source.url] }]);
    expect(await waitForList(service, 'pull')).toMatchObject({ done: { pulled: 1 } });
  });
});

describe('a service killed in the middle of a pull list', () => {
  test('finishes the list after its restart', async () => {
    await using server = await startKeepServer();
    await using service = await startService({ vars: VARS, r2: ['ARCHIVE'] });
    const blocks = Array.from({ length: 120 }, (_, i) => blockOf(`pulled ${i}`));
    const dataOf = new Map(blocks.map((block) => [block.hash, block.data]));
    const killed = Promise.withResolvers<void>();
    server.behave(async (request) => {
      if (server.seen.length > 30) await killed.promise;
      return blockIn(dataOf, request.url);
    });
    await putPull(
      service,
      blocks.map(({ locator }) => ({ locator, servers: [server.url] })),
    );
    const { pending } = await waitForList(service, 'pull', (now) => now.pending < 100);
    expect(pending).toBeGreaterThan(0);
    await service.kill();
    killed.resolve();
    await service.restart();
    await service.scheduled();
    const { done, failed } = await waitForList(service, 'pull');
    expect((done.pulled ?? 0) + (done.present ?? 0)).toBe(blocks.length);
    expect(failed).toEqual({});
    await eachOf(blocks, 8, async (block) => expect(await stored(service, block)).toBe(true));
    // Only what was in progress when the process died is done twice.
    expect(server.seen.length).toBeLessThanOrEqual(blocks.length + 6);
    expect((await putList(service, 'pull', 'null')).status).toBe(200);
  });

  test('does not return to a list that was replaced before', async () => {
    await using server = await startKeepServer(hanging);
    await using service = await startService({ vars: VARS, r2: ['ARCHIVE'] });
    const block = randomBlock(100);
    const entries = Array.from({ length: 10 }, () => ({ locator: block.locator, servers: [server.url] }));
    await putPull(service, entries);
    const { inProgress } = await waitForList(service, 'pull', (now) => now.inProgress === 6);
    await expect.poll(() => server.seen.length).toBe(inProgress);
    expect((await putList(service, 'pull', 'null')).status).toBe(200);
    await service.restart();
    server.behave(serving(block.data));
    await service.scheduled();
    await setTimeout(500);
    expect(await waitForList(service, 'pull')).toMatchObject({ list: { entries: 0 }, total: { done: {} } });
    expect(server.seen.length).toBe(inProgress);
    expect((await indexOf(service)).size).toBe(0);
  });
});
