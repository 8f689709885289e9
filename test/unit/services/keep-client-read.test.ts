import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { REMOTE_RETRIES, SDK_RETRIES, SERVER_RETRIES } from '../../../src/services/retry.ts';
import { fixedServices } from '../../../src/services/service-source.ts';
import { ServicesError } from '../../../src/services/services-error.ts';
import {
  answering,
  type Behaviour,
  DEAD_URL,
  hanging,
  locatorOf,
  md5,
  serving,
  startKeepServer,
} from '../../support/keep-server.ts';
import { startRing, TOKEN } from './client-harness.ts';

const DATA = 'some block of data';
const HASH = md5(DATA);
const LOCATOR = locatorOf(DATA);
const BIG = randomBytes(5_000_000);
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
/** Wide enough for a server that a slow machine holds up. */
const TIGHT = { bytesPerSecond: 8_192, windowMs: 1_600 };

const failureOf = async (work: Promise<unknown>): Promise<ServicesError> => {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ServicesError);
  return error as ServicesError;
};

describe('Reading a block', () => {
  test('asks the first service only, with the whole locator, the token and a request id', async () => {
    await using ring = await startRing(3, HASH);
    ring.servers[0]!.behave(serving(DATA));
    const locator = `${LOCATOR}+A${'0'.repeat(40)}@12345678+Zopaque`;
    const client = ring.client({ requestId: 'req-aaaaaaaaaaaaaaaaaaaa' });
    expect(text(await client.getVerified(locator))).toBe(DATA);
    expect(ring.counts()).toEqual([1, 0, 0]);
    const [request] = ring.servers[0]!.seen;
    expect(request).toMatchObject({ method: 'GET', path: `/${locator}` });
    expect(request!.headers).toMatchObject({
      authorization: `Bearer ${TOKEN}`,
      'x-request-id': 'req-aaaaaaaaaaaaaaaaaaaa',
    });
  });

  test.each([
    ['the locator', `${HASH}+${2 ** 45}`, {}],
    ['the service', HASH, { 'Content-Length': String(2 ** 27) }],
  ])('begins no body that is larger than any block, by what %s says', async (_, locator, headers) => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave((_, response) => {
      response.writeHead(200, headers).write(DATA);
      return undefined;
    });
    const client = ring.client({ retry: { rounds: 1, firstPauseMs: 0, maxPauseMs: 0 } });
    const reads = [
      () => client.get(locator),
      () => client.getVerified(locator),
      () => client.transfer(locator, async () => null),
    ];
    for (const read of reads) expect((await failureOf(read())).message).toContain('more than a block can have');
  });

  test.each([403, 404, 410, 400, 401, 405, 429, 501, 507, 500, 503])('goes on at once after a %i', async (status) => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(answering(status));
    ring.servers[1]!.behave(serving(DATA));
    expect(text(await ring.client().getVerified(LOCATOR))).toBe(DATA);
    expect(ring.counts()).toEqual([1, 1]);
    expect(ring.pauses).toEqual([]);
  });

  test('goes on after a dead service, and after one that breaks off', async () => {
    await using ring = await startRing(3, HASH);
    const services = [{ ...ring.services[0]!, url: DEAD_URL }, ...ring.services.slice(1)];
    ring.servers[1]!.behave((_request, response) => {
      response.writeHead(200, { 'Content-Length': String(DATA.length) });
      response.write(DATA.slice(0, 5), () => response.destroy());
      return undefined;
    });
    ring.servers[2]!.behave(serving(DATA));
    expect(text(await ring.client({ services: fixedServices(services) }).getVerified(LOCATOR))).toBe(DATA);
    expect(ring.counts()).toEqual([0, 1, 1]);
  });

  test('takes corrupt data for the failure of that service', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(serving(DATA.replace('d', 'D')));
    ring.servers[1]!.behave(serving(DATA));
    expect(text(await ring.client().getVerified(LOCATOR))).toBe(DATA);
    expect(ring.counts()).toEqual([1, 1]);
  });

  test('does not begin a body that announces another length', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(serving(`${DATA}!`));
    ring.servers[1]!.behave(serving(DATA));
    const { body, size } = await ring.client().get(LOCATOR);
    expect(await new Response(body).text()).toBe(DATA);
    expect(size).toBe(DATA.length);
    expect(ring.counts()).toEqual([1, 1]);
  });

  test('a stream fails over as long as nothing was given out: small blocks always do', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(serving(DATA.replace('d', 'D')));
    ring.servers[1]!.behave(serving(DATA));
    expect(await new Response((await ring.client().get(LOCATOR)).body).text()).toBe(DATA);
    expect(ring.counts()).toEqual([1, 1]);
  });

  test('a big corrupt block is never completed', async () => {
    await using ring = await startRing(1, md5(BIG));
    const corrupt = Buffer.from(BIG);
    corrupt[10] = (corrupt[10] ?? 0) ^ 1;
    ring.servers[0]!.behave(serving(corrupt));
    const { body } = await ring.client().get(locatorOf(BIG));
    let received = 0;
    await expect(
      (async () => {
        for await (const chunk of body) received += chunk.byteLength;
      })(),
    ).rejects.toThrow('checksum mismatch');
    expect(received).toBeLessThan(BIG.length);
  });

  test('a big good block arrives whole', async () => {
    await using ring = await startRing(1, md5(BIG));
    ring.servers[0]!.behave(serving(BIG));
    const { body } = await ring.client().get(locatorOf(BIG));
    expect(md5(new Uint8Array(await new Response(body).arrayBuffer()))).toBe(md5(BIG));
  });

  test.each([403, 404, 410])('says not found when every service says %i, without a second round', async (status) => {
    await using ring = await startRing(3, HASH);
    for (const server of ring.servers) server.behave(answering(status));
    const error = await failureOf(ring.client().getVerified(LOCATOR));
    expect(error.code).toBe('not_found');
    expect(error.answers.map(({ status: said }) => said)).toEqual([status, status, status]);
    expect(ring.counts()).toEqual([1, 1, 1]);
    expect(ring.pauses).toEqual([]);
  });

  test('one other answer is enough not to say not found; the error carries what each service said', async () => {
    await using ring = await startRing(3, HASH);
    ring.servers[0]!.behave(answering(404));
    ring.servers[1]!.behave(answering(401, 'expired signature\n'));
    ring.servers[2]!.behave(answering(404));
    const error = await failureOf(ring.client().getVerified(LOCATOR));
    expect(error.code).toBe('bad_gateway');
    expect(error.answers).toEqual([
      { url: ring.servers[0]!.url, status: 404, reason: '', mayPass: false },
      { url: ring.servers[1]!.url, status: 401, reason: 'expired signature', mayPass: false },
      { url: ring.servers[2]!.url, status: 404, reason: '', mayPass: false },
    ]);
    expect(error.message).toContain(`${ring.servers[1]!.url}: 401 expired signature`);
    expect(ring.counts()).toEqual([1, 1, 1]);
  });

  test('an error never repeats a token or a signature that a server quotes', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave(answering(400, `bad ${LOCATOR}+A${'1'.repeat(40)}@12345678 for ${TOKEN}`));
    const error = await failureOf(ring.client().getVerified(LOCATOR));
    expect(error.message).toContain(LOCATOR);
    expect(error.message).not.toContain('1111');
    expect(error.message).not.toContain('3kg6k6lz');
  });

  test.each([408, 409, 422, 423, 500, 502, 503, 504, 522])(
    'a %i is tried again, after growing pauses',
    async (status) => {
      await using ring = await startRing(2, HASH);
      ring.servers[0]!.behave(answering(404));
      ring.servers[1]!.behave(answering(status));
      const error = await failureOf(ring.client().getVerified(LOCATOR));
      expect(error.code).toBe('bad_gateway');
      // The first service failed for good: once is enough.
      expect(ring.counts()).toEqual([1, 3]);
      expect(ring.pauses).toHaveLength(2);
      expect(ring.pauses[0]).toBeGreaterThanOrEqual(1_000);
      expect(ring.pauses[1]).toBeGreaterThanOrEqual(2_000);
      expect(ring.pauses[1]).toBeLessThanOrEqual(4_000);
    },
  );

  test('a service that recovers delivers in a later round', async () => {
    await using ring = await startRing(1, HASH);
    let asked = 0;
    ring.servers[0]!.behave((...request) => (++asked < 3 ? { status: 503 } : serving(DATA)(...request)));
    expect(text(await ring.client().getVerified(LOCATOR))).toBe(DATA);
    expect(ring.counts()).toEqual([3]);
  });

  test('the list of services is asked for again before a second round, and new ones are used', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(answering(503));
    ring.servers[1]!.behave(serving(DATA));
    const asked: boolean[] = [];
    const services = {
      list: async (refresh = false) => {
        asked.push(refresh);
        return refresh ? ring.services : ring.services.slice(0, 1);
      },
    };
    expect(text(await ring.client({ services }).getVerified(LOCATOR))).toBe(DATA);
    expect(asked).toEqual([false, true]);
    expect(ring.counts()).toEqual([2, 1]);
  });

  test.each([
    ['all services said not found', [404, 404]],
    ['the list was empty', []],
  ])('when %s, a fresh list is asked, and a service that has joined delivers', async (_when, statuses) => {
    await using ring = await startRing(3, HASH);
    for (const [index, status] of statuses.entries()) ring.servers[index]!.behave(answering(status));
    ring.servers[2]!.behave(serving(DATA));
    const known = ring.services.slice(0, statuses.length);
    const services = () => ({ list: async (refresh = false) => (refresh ? ring.services : known) });
    for (const retry of [SERVER_RETRIES, SDK_RETRIES]) {
      expect(text(await ring.client({ services: services(), retry }).getVerified(LOCATOR))).toBe(DATA);
      expect((await ring.client({ services: services(), retry }).head(LOCATOR)).size).toBe(DATA.length);
    }
    // A server's client need not wait for what is settled.
    expect(ring.pauses).toEqual([4_000, 4_000]);
  });

  test('a service that left the list leaves the verdict, and is not waited for', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(answering(503));
    ring.servers[1]!.behave(answering(404));
    const services = { list: async (refresh = false) => (refresh ? ring.services.slice(1) : ring.services) };
    const error = await failureOf(ring.client({ services, retry: SDK_RETRIES }).getVerified(LOCATOR));
    expect(error.code).toBe('not_found');
    expect(error.answers.map(({ url }) => url)).toEqual([ring.services[1]!.url]);
    expect(ring.counts()).toEqual([1, 1]);
    expect(ring.pauses).toEqual([4_000]);
  });

  test('a service that left and failed leaves an error about the list, not its own', async () => {
    await using ring = await startRing(1, HASH);
    const services = { list: async (refresh = false) => (refresh ? [] : ring.services) };
    const error = await failureOf(ring.client({ services }).getVerified(LOCATOR));
    expect([error.code, error.answers]).toEqual(['bad_gateway', []]);
  });

  test('a list that cannot be asked again leaves the last one to go on with', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave(answering(503));
    const services = {
      list: async (refresh = false) => {
        if (refresh) throw new Error('the API server is down');
        return ring.services;
      },
    };
    const error = await failureOf(ring.client({ services }).getVerified(LOCATOR));
    expect(error.message).toContain(`${ring.services[0]!.url}: 503`);
  });

  test('a 429 is tried again by a client of remote clusters only', async () => {
    await using ring = await startRing(1, HASH);
    let asked = 0;
    ring.servers[0]!.behave((...request) => (++asked < 2 ? { status: 429 } : serving(DATA)(...request)));
    expect(text(await ring.client({ retry: REMOTE_RETRIES }).getVerified(LOCATOR))).toBe(DATA);
    asked = 0;
    expect((await failureOf(ring.client().getVerified(LOCATOR))).code).toBe('bad_gateway');
    expect(asked).toBe(1);
  });

  test('no services at all is a failure to find out, not an absent block', async () => {
    await using ring = await startRing(1, HASH);
    const error = await failureOf(ring.client({ services: fixedServices([]) }).getVerified(LOCATOR));
    expect(error.code).toBe('bad_gateway');
    expect(error.message).toBe('no Keep services available');
  });

  test('redirects are not followed', async () => {
    await using ring = await startRing(1, HASH);
    await using elsewhere = await startKeepServer(serving(DATA));
    ring.servers[0]!.behave(() => ({ status: 302, headers: { Location: `${elsewhere.url}/${LOCATOR}` } }));
    expect((await failureOf(ring.client().getVerified(LOCATOR))).answers[0]).toMatchObject({ status: 302 });
    expect(elsewhere.seen).toHaveLength(0);
  });

  test('one that hangs in the headers is given up, and the next is asked', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(hanging);
    ring.servers[1]!.behave(serving(DATA));
    expect(text(await ring.client({ limits: TIGHT }).getVerified(LOCATOR))).toBe(DATA);
    expect(ring.counts()).toEqual([1, 1]);
  });

  test('one that trickles below the limit is given up', async () => {
    await using ring = await startRing(2, md5(BIG));
    ring.servers[0]!.behave(async (_request, response) => {
      response.writeHead(200, { 'Content-Length': String(BIG.length) });
      for (let at = 0; at < 100 && !response.destroyed; at++) {
        response.write(BIG.subarray(at * 10, at * 10 + 10));
        await wait(20);
      }
      return undefined;
    });
    ring.servers[1]!.behave(serving(BIG));
    expect(md5(await ring.client({ limits: TIGHT }).getVerified(locatorOf(BIG)))).toBe(md5(BIG));
    expect(ring.counts()).toEqual([1, 1]);
  });

  test('one that is slow but above the limit may take longer than the window', async () => {
    const data = randomBytes(96_000);
    await using ring = await startRing(1, md5(data));
    ring.servers[0]!.behave(async (_request, response) => {
      response.writeHead(200, { 'Content-Length': String(data.length) });
      for (let at = 0; at < data.length; at += 1_500) {
        response.write(data.subarray(at, at + 1_500));
        await wait(50);
      }
      response.end();
      return undefined;
    });
    expect(md5(await ring.client({ limits: TIGHT }).getVerified(locatorOf(data)))).toBe(md5(data));
    expect(ring.counts()).toEqual([1]);
  });

  test('a reader that is slow itself does not make the service slow', async () => {
    await using ring = await startRing(1, md5(BIG));
    ring.servers[0]!.behave(serving(BIG));
    const { body } = await ring.client({ limits: TIGHT }).get(locatorOf(BIG));
    let received = 0;
    for await (const chunk of body) {
      if (received === 0) await wait(2 * TIGHT.windowMs);
      received += chunk.byteLength;
    }
    expect(received).toBe(BIG.length);
  });

  test('an aborted call ends at once, asks no other service, and says why', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(hanging);
    const controller = new AbortController();
    const reading = ring.client().getVerified(LOCATOR, { signal: controller.signal });
    while (ring.counts()[0] === 0) await wait(5);
    controller.abort(new Error('changed my mind'));
    await expect(reading).rejects.toThrow('changed my mind');
    expect(ring.counts()).toEqual([1, 0]);
  });

  test('locators joined by commas read as their concatenation, in memory and as a stream', async () => {
    await using ring = await startRing(1, HASH);
    const blocks = ['first, ', 'second, ', 'third'];
    ring.servers[0]!.behave((request, response, body) => {
      const block = blocks.find((one) => request.url?.startsWith(`/${md5(one)}`)) ?? '';
      return serving(block)(request, response, body);
    });
    const list = blocks.map(locatorOf).join(',');
    expect(text(await ring.client().getVerified(list))).toBe('first, second, third');
    const { body, size } = await ring.client().get(list);
    expect(size).toBe(20);
    expect(await new Response(body).text()).toBe('first, second, third');
    expect(ring.counts()).toEqual([6]);
  });

  test('a missing block inside a list breaks the stream off', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave((...request) =>
      request[0].url?.includes(HASH) ? serving(DATA)(...request) : { status: 404 },
    );
    const { body } = await ring.client().get(`${LOCATOR},${locatorOf('absent')}`);
    await expect(new Response(body).text()).rejects.toThrow('block not found');
  });

  test('the empty block needs no request', async () => {
    await using ring = await startRing(1, HASH);
    expect(await ring.client().getVerified('d41d8cd98f00b204e9800998ecf8427e+0')).toHaveLength(0);
    expect(await new Response((await ring.client().get('d41d8cd98f00b204e9800998ecf8427e+0')).body).text()).toBe('');
    expect(ring.counts()).toEqual([0]);
  });

  test('connections are kept and used again', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave(serving(DATA));
    const client = ring.client();
    for (let time = 0; time < 5; time++) await client.getVerified(LOCATOR);
    expect(ring.counts()).toEqual([5]);
    expect(ring.servers[0]!.connections).toBe(1);
  });

  test('a +K@ hint to a cluster is followed with the token for that cluster', async () => {
    await using ring = await startRing(1, HASH);
    await using remote = await startKeepServer(serving(DATA));
    const hintedCluster = (clusterId: string) => ({ url: remote.url, token: `token-for-${clusterId}` });
    expect(text(await ring.client({ hintedCluster }).getVerified(`${LOCATOR}+K@abcde`))).toBe(DATA);
    expect(remote.seen[0]).toMatchObject({ path: `/${LOCATOR}+K@abcde` });
    expect(remote.seen[0]!.headers.authorization).toBe('Bearer token-for-abcde');
    expect(ring.counts()).toEqual([0]);
  });
});

describe('Readers of one block at the same time', () => {
  const slowly: Behaviour = async (...request) => {
    await wait(50);
    return serving(DATA)(...request);
  };

  test('share one fetch', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave(slowly);
    const client = ring.client();
    const all = await Promise.all([1, 2, 3].map(() => client.getVerified(LOCATOR)));
    expect(all.map(text)).toEqual([DATA, DATA, DATA]);
    expect(ring.counts()).toEqual([1]);
  });

  test('share no earlier failure, and one reader that leaves does not take the block from the others', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave(answering(404));
    const client = ring.client();
    await failureOf(client.getVerified(LOCATOR));
    const before = ring.counts()[0] ?? 0;
    ring.servers[0]!.behave(slowly);
    const leaving = new AbortController();
    const left = client.getVerified(LOCATOR, { signal: leaving.signal });
    const stayed = client.getVerified(LOCATOR);
    leaving.abort(new Error('bye'));
    await expect(left).rejects.toThrow('bye');
    expect(text(await stayed)).toBe(DATA);
    expect(ring.counts()).toEqual([before + 1]);
  });

  test('do not share the failure of a reader with another signature', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave(async (...request) => {
      await wait(50);
      return (request[0].url?.includes('+Aexpired') ? answering(403) : serving(DATA))(...request);
    });
    const client = ring.client();
    const bad = failureOf(client.getVerified(`${LOCATOR}+Aexpired`));
    const good = client.getVerified(`${LOCATOR}+Afresh`);
    const alike = failureOf(client.getVerified(`${LOCATOR}+Aexpired`));
    expect(text(await good)).toBe(DATA);
    expect([(await bad).code, (await alike).code]).toEqual(['not_found', 'not_found']);
  });
});

describe('Asking for a block', () => {
  test('a HEAD tells its size', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[1]!.behave(serving(DATA));
    expect(await ring.client().head(HASH)).toEqual({ size: DATA.length, locator: null });
    expect(ring.servers.map(({ seen }) => seen[0]?.method)).toEqual(['HEAD', 'HEAD']);
  });

  test('with localSignature it asks for a copy there and returns its locator', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave(() => ({
      status: 200,
      headers: { 'X-Keep-Locator': `${LOCATOR}+Alocal`, 'Content-Length': '18' },
    }));
    const facts = await ring.client().head(`${LOCATOR}+Rabcde-x`, { localSignature: true });
    expect(facts.locator).toBe(`${LOCATOR}+Alocal`);
    expect(ring.servers[0]!.seen[0]!.headers['x-keep-signature']).toMatch(/^local, time=\d{4}-\d\d-\d\dT/);
  });
});
