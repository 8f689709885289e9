import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { blockOf, putBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { answering, type KeepServer, serving, startKeepServer } from '../support/keep-server.ts';
import { startService, type TestService } from '../support/service.ts';

/** The edge with two outside services: what `+K@xxxxx` leads to, and a gateway that the admin registered. */
const SECRET = '4kp0spec5ecret00000000000000000000000000000000abcd';
const TOKEN = `v2/xedge-gj3su-0123456789abcde/${SECRET}`;
const SALTED = `v2/xedge-gj3su-0123456789abcde/${createHmac('sha1', SECRET).update('abcde').digest('hex')}`;
const UNKNOWN = 'xedge-bi6l4-zzzzzzzzzzzzzzz';
const LOCAL = blockOf('stored here');

let edge: TestService;
let elsewhere: KeepServer;
let gateway: KeepServer;
let gatewayUuid: string;

const admin = async (method: string, path: string, record?: Record<string, unknown>) => {
  const answer = await request(`${edge.url}/arvados/v1/keep_services${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(record === undefined ? {} : { body: JSON.stringify({ keep_service: record }) }),
  });
  return { status: answer.status, json: JSON.parse(answer.text) };
};
const signed = (block: TestBlock, hints: string, token = TOKEN) => sign(block.locator, { token }) + hints;
const get = (locator: string, options: Parameters<typeof request>[1] = {}) =>
  request(`${edge.url}/${locator}`, { token: TOKEN, ...options });

beforeAll(async () => {
  [elsewhere, gateway] = await Promise.all([startKeepServer(), startKeepServer()]);
  edge = await startService({ vars: { CLUSTER_ID: 'xedge', KEEP_HINT_URL: elsewhere.url } });
  const made = await admin('POST', '', {
    service_host: gateway.host,
    service_port: gateway.port,
    service_type: 'gateway:test',
  });
  gatewayUuid = made.json.uuid;
  await putBlock(edge.url, LOCAL);
});
afterAll(() => Promise.all([edge, elsewhere, gateway].map((one) => one.stop())));
beforeEach(() => {
  for (const server of [elsewhere, gateway]) {
    server.seen.length = 0;
    server.behave(answering(404));
  }
});

describe('+K@xxxxx, a cluster', () => {
  test('is read from that cluster, which judges the caller by a token salted for it', async () => {
    const block = blockOf('in another cluster');
    elsewhere.behave(serving(block.data));
    const locator = `${block.locator}+A${'0'.repeat(40)}@7fffffff+K@abcde`;
    const answer = await get(locator);
    expect([answer.status, answer.text]).toEqual([200, 'in another cluster']);
    expect(elsewhere.seen).toHaveLength(1);
    expect(elsewhere.seen[0]!.path).toBe(`/${locator}`);
    expect(elsewhere.seen[0]!.headers.authorization).toBe(`Bearer ${SALTED}`);
  });

  test('HEAD goes there too', async () => {
    const block = blockOf('in another cluster, asked for');
    elsewhere.behave(serving(block.data));
    const answer = await get(`${block.locator}+K@abcde`, { method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, String(block.data.length)]);
    expect(elsewhere.seen[0]!.method).toBe('HEAD');
  });

  test('data that is not the block is never given out', async () => {
    elsewhere.behave(serving('another block entirely'));
    const answer = await get(signed(blockOf('the right block xxxxxx'), '+K@abcde'));
    expect(answer.status).toBe(404);
  });

  test('a redirect is not followed: it leads nowhere that the operator chose', async () => {
    const block = blockOf('behind a redirect');
    await using victim = await startKeepServer(serving(block.data));
    elsewhere.behave(() => ({ status: 302, headers: { location: `${victim.url}/${block.locator}` } }));
    expect((await get(signed(block, '+K@abcde'))).status).toBe(404);
    expect(elsewhere.seen.length).toBeGreaterThan(0);
    expect(victim.connections).toBe(0);
  });

  test('when that cluster fails it is the turn of the mounts, and of the local permission check', async () => {
    for (const status of [400, 401, 404, 500]) {
      elsewhere.behave(answering(status));
      expect((await get(signed(LOCAL, '+K@abcde'))).text).toBe('stored here');
    }
    expect(elsewhere.seen).toHaveLength(4);
    expect((await get(`${LOCAL.locator}+K@abcde`)).status).toBe(400);
    expect((await get(`${LOCAL.locator}+K@abcde`, { token: null })).status).toBe(401);
  });

  test.each([
    ['a v1 token cannot be salted', SECRET],
    ['a salted token is not shown further', SALTED],
    ['no token', null],
  ])('%s: no other service is asked', async (_why, token) => {
    await get(signed(LOCAL, '+K@abcde', token ?? ''), { token });
    expect(elsewhere.seen).toHaveLength(0);
  });

  test('one’s own cluster is here', async () => {
    expect((await get(signed(LOCAL, '+K@xedge'))).text).toBe('stored here');
    expect(elsewhere.seen).toHaveLength(0);
  });

  test('a request that such a service made ends here', async () => {
    const answer = await get(signed(LOCAL, '+K@abcde'), { headers: { Via: '1.1 keep-edge' } });
    expect([answer.text, elsewhere.seen.length]).toEqual(['stored here', 0]);
  });

  test('the proposed spelling without @ means nothing', async () => {
    expect((await get(signed(LOCAL, '+Kabcde'))).text).toBe('stored here');
    expect((await get(signed(LOCAL, `+K${gatewayUuid}`))).text).toBe('stored here');
    expect([elsewhere.seen.length, gateway.seen.length]).toEqual([0, 0]);
  });
});

describe('+K@uuid, a service of this cluster', () => {
  test('is read from that service with the caller’s own token', async () => {
    const block = blockOf('behind the gateway');
    gateway.behave(serving(block.data));
    const locator = signed(block, `+K@${gatewayUuid}`);
    const answer = await get(locator);
    expect([answer.status, answer.text]).toEqual([200, 'behind the gateway']);
    expect(gateway.seen).toHaveLength(1);
    expect(gateway.seen[0]!.path).toBe(`/${locator}`);
    expect(gateway.seen[0]!.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(gateway.seen[0]!.headers.via).toContain('keep-edge');
  });

  test('only after the local permission check', async () => {
    gateway.behave(serving(LOCAL.data));
    const statuses = [
      await get(`${LOCAL.locator}+K@${gatewayUuid}`),
      await get(signed(LOCAL, `+K@${gatewayUuid}`), { token: `${TOKEN}x` }),
      await get(signed(LOCAL, `+K@${gatewayUuid}`), { token: null }),
      await get(`${LOCAL.locator}+K@${gatewayUuid}`, { method: 'HEAD' }),
    ].map(({ status }) => status);
    expect(statuses).toEqual([400, 400, 401, 400]);
    expect(gateway.seen).toHaveLength(0);
  });

  test('an unknown one, and one that fails, leave it to the mounts', async () => {
    expect((await get(signed(LOCAL, `+K@${UNKNOWN}`))).text).toBe('stored here');
    gateway.behave(answering(503));
    // The block may lie in the edge cache: the permission check came first. HEAD never comes from there.
    expect((await get(signed(LOCAL, `+K@${gatewayUuid}`), { method: 'HEAD' })).status).toBe(200);
    expect(gateway.seen).toHaveLength(1);
  });

  test('hints are followed in their order', async () => {
    const block = blockOf('behind both');
    elsewhere.behave(serving(block.data));
    gateway.behave(serving(block.data));
    await get(signed(block, `+K@${UNKNOWN}+K@abcde+K@${gatewayUuid}`), { method: 'HEAD' });
    expect([elsewhere.seen.length, gateway.seen.length]).toEqual([1, 0]);
    await get(signed(block, `+K@${gatewayUuid}+K@abcde`), { method: 'HEAD' });
    expect([elsewhere.seen.length, gateway.seen.length]).toEqual([1, 1]);
  });
});

test('one request asks no more than eight services that its hints name, and each once', async () => {
  const block = blockOf('nowhere at all');
  const clusters = Array.from({ length: 1000 }, (_, i) => `+K@${i.toString(36).padStart(5, 'a')}`);
  const gateways = Array.from({ length: 100 }, () => `+K@${gatewayUuid}`);
  expect((await get(signed(block, gateways.join('') + clusters.join('')))).status).toBe(404);
  expect([gateway.seen.length, elsewhere.seen.length]).toEqual([1, 7]);
});

describe('The keep_services routes', () => {
  test('keep what the admin made: create, get, list, update, delete', async () => {
    const uuid = 'xedge-bi6l4-0123456789abcde';
    const made = await admin('POST', '', {
      uuid,
      service_host: 'keep9.example',
      service_ssl_flag: true,
      read_only: true,
    });
    expect(made).toMatchObject({
      status: 200,
      json: {
        kind: 'arvados#keepService',
        uuid,
        service_host: 'keep9.example',
        service_port: 443,
        service_ssl_flag: true,
        service_type: 'disk',
        read_only: true,
      },
    });
    expect((await admin('GET', `/${uuid}`)).json).toEqual(made.json);
    const updated = await admin('PUT', `/${uuid}`, { service_port: 8443, read_only: false });
    expect(updated.json).toMatchObject({ service_port: 8443, read_only: false, created_at: made.json.created_at });
    const filter = encodeURIComponent(JSON.stringify([['service_type', '=', 'disk']]));
    expect((await admin('GET', `?filters=${filter}`)).json).toMatchObject({ items: [{ uuid }], items_available: 1 });
    expect((await admin('DELETE', `/${uuid}`)).json.uuid).toBe(uuid);
    expect((await admin('GET', `/${uuid}`)).status).toBe(404);
  });

  test('announce this service as the proxy, to all, and the others beside it', async () => {
    const { items } = JSON.parse(
      (await request(`${edge.url}/arvados/v1/keep_services/accessible`, { token: null })).text,
    );
    expect(items.map(({ service_type }: { service_type: string }) => service_type)).toEqual(['proxy', 'gateway:test']);
    const external = await request(`${edge.url}/arvados/v1/keep_services/accessible`, {
      token: null,
      headers: { 'X-External-Client': '1' },
    });
    expect(JSON.parse(external.text).items).toHaveLength(1);
  });

  test.each([
    ['no host', {}],
    ['a URL for a host', { service_host: 'http://keep.example' }],
    ['a port that is none', { service_host: 'a', service_port: 70_000 }],
    ['a uuid of another cluster', { service_host: 'a', uuid: 'zzzzz-bi6l4-0123456789abcde' }],
  ])('refuse %s', async (_why, record) => {
    expect((await admin('POST', '', record)).status).toBe(422);
  });

  test('are for admins; this service’s own record cannot be changed', async () => {
    for (const [method, token] of [
      ['POST', null],
      ['POST', 'unknown'],
    ] as const) {
      const answer = await request(`${edge.url}/arvados/v1/keep_services`, { method, token, body: '{}' });
      expect(answer.status).toBe(401);
    }
    expect((await admin('DELETE', '/xedge-bi6l4-keepedge0000000')).status).toBe(404);
  });
});
