import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { sourceOfBytes } from '../../../src/services/put-block.ts';
import { SDK_RETRIES } from '../../../src/services/retry.ts';
import { fixedServices } from '../../../src/services/service-source.ts';
import { ServicesError } from '../../../src/services/services-error.ts';
import { answering, DEAD_URL, hanging, md5, storing } from '../../support/keep-server.ts';
import { startRing } from './client-harness.ts';

const DATA = new Uint8Array(randomBytes(100_000));
const HASH = md5(DATA);
const SOURCE = sourceOfBytes(HASH, DATA);

const failureOf = async (work: Promise<unknown>): Promise<ServicesError> => {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ServicesError);
  return error as ServicesError;
};

describe('Writing a block', () => {
  test('sends the bare hash, the copies and classes wanted, and returns what the service calls it', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave(storing({ 'X-Keep-Storage-Classes-Confirmed': 'default=1, archive=1' }));
    const result = await ring.client().put(SOURCE, { replicas: 1, storageClasses: ['default', 'archive'] });
    expect(result).toEqual({ locator: `${HASH}+100000+Asigned`, replicas: 1, classes: { default: 1, archive: 1 } });
    const [request] = ring.servers[0]!.seen;
    expect(request).toMatchObject({ method: 'PUT', path: `/${HASH}`, bodyBytes: 100_000 });
    expect(request!.headers).toMatchObject({
      'x-keep-desired-replicas': '1',
      'x-keep-storage-classes': 'default, archive',
      'content-length': '100000',
      expect: '100-continue',
    });
  });

  test('disks store one copy each: as many as wanted are written to at the same time, and no more', async () => {
    await using ring = await startRing(4, HASH);
    let together = 0;
    let most = 0;
    for (const server of ring.servers) {
      server.behave(async (...request) => {
        most = Math.max(most, ++together);
        for (let tries = 0; most < 2 && tries < 500; tries++) await wait(10);
        // Time for one too many.
        await wait(30);
        together--;
        return storing()(...request);
      });
    }
    expect(await ring.client().put(SOURCE, { replicas: 2 })).toMatchObject({ replicas: 2 });
    expect(ring.counts()).toEqual([1, 1, 0, 0]);
    expect(most).toBe(2);
    expect(ring.servers[0]!.seen[0]!.headers['x-keep-desired-replicas']).toBe('2');
  });

  test('the next service in order takes over from one that failed', async () => {
    await using ring = await startRing(4, HASH);
    ring.servers[0]!.behave(answering(503));
    for (const server of ring.servers.slice(1)) server.behave(storing());
    expect(await ring.client().put(SOURCE, { replicas: 2 })).toMatchObject({ replicas: 2 });
    expect(ring.counts()).toEqual([1, 1, 1, 0]);
    expect(ring.pauses).toEqual([]);
  });

  test('other kinds of services are written to one by one until there are enough copies', async () => {
    await using ring = await startRing(3, HASH, 'proxy');
    ring.servers[0]!.behave(storing({ 'X-Keep-Replicas-Stored': '2' }));
    ring.servers[1]!.behave(storing({ 'X-Keep-Replicas-Stored': '2' }));
    expect(await ring.client().put(SOURCE, { replicas: 3 })).toMatchObject({ replicas: 4 });
    expect(ring.counts()).toEqual([1, 1, 0]);
    expect(ring.servers.map(({ seen }) => seen[0]?.headers['x-keep-desired-replicas'])).toEqual(['3', '3', undefined]);
  });

  test('a disk that stores more than one copy is believed, and nothing waits for the others', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(storing({ 'X-Keep-Replicas-Stored': '2' }));
    ring.servers[1]!.behave(hanging);
    expect(await ring.client().put(SOURCE, { replicas: 2 })).toMatchObject({ replicas: 2 });
  });

  test.each([undefined, 'many', ''])('without a readable count (%s) a success is one copy', async (count) => {
    await using ring = await startRing(2, HASH, 'proxy');
    const headers: Record<string, string> = count === undefined ? {} : { 'X-Keep-Replicas-Stored': count };
    for (const server of ring.servers) server.behave(storing(headers));
    expect(await ring.client().put(SOURCE, { replicas: 2 })).toMatchObject({ replicas: 2 });
    expect(ring.counts()).toEqual([1, 1]);
  });

  test('goes on for a storage class that is short, asking the next service only for that one', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(storing({ 'X-Keep-Storage-Classes-Confirmed': 'default=1' }));
    ring.servers[1]!.behave(storing({ 'X-Keep-Storage-Classes-Confirmed': 'archive=1' }));
    const result = await ring.client().put(SOURCE, { replicas: 1, storageClasses: ['default', 'archive'] });
    expect(result).toMatchObject({ replicas: 2, classes: { default: 1, archive: 1 } });
    expect(ring.servers[1]!.seen[0]!.headers['x-keep-storage-classes']).toBe('archive');
  });

  test('copies count per class: one copy of each is not two', async () => {
    await using ring = await startRing(1, HASH, 'proxy');
    ring.servers[0]!.behave(
      storing({ 'X-Keep-Replicas-Stored': '2', 'X-Keep-Storage-Classes-Confirmed': 'default=1' }),
    );
    const error = await failureOf(ring.client().put(SOURCE, { replicas: 2, storageClasses: ['default'] }));
    expect(error.replicas).toBe(2);
  });

  test.each(['', 'default', 'default=0', 'default=-1', '=2', 'other=2', ', ,', 'default =1=2'])(
    'a confirmation %j confirms nothing, or too little: the search goes on',
    async (confirmed) => {
      await using ring = await startRing(2, HASH, 'proxy');
      const headers = { 'X-Keep-Replicas-Stored': '2', 'X-Keep-Storage-Classes-Confirmed': confirmed };
      ring.servers[0]!.behave(storing(headers));
      ring.servers[1]!.behave(storing({ ...headers, 'X-Keep-Storage-Classes-Confirmed': 'default=2' }));
      const result = await ring.client().put(SOURCE, { replicas: 2, storageClasses: ['default'] });
      expect(result.replicas).toBe(4);
      expect(ring.counts()).toEqual([1, 1]);
    },
  );

  test('counts in headers that are given several times add up', async () => {
    await using ring = await startRing(2, HASH, 'proxy');
    ring.servers[0]!.behave(async (_request, response, body) => {
      await body();
      response.setHeader('X-Keep-Replicas-Stored', ['1', '1']);
      response.setHeader('X-Keep-Storage-Classes-Confirmed', ['default=1', 'default=1']);
      return { status: 200, body: `${HASH}+100000` };
    });
    const result = await ring.client().put(SOURCE, { replicas: 2, storageClasses: ['default'] });
    expect(result).toMatchObject({ replicas: 2, classes: { default: 2 } });
    expect(ring.counts()).toEqual([1, 0]);
  });

  test.each([undefined, 'default=', 'default=x', 'default=1, other=x'])(
    'a confirmation %j switches class counting off',
    async (confirmed) => {
      await using ring = await startRing(1, HASH, 'proxy');
      const headers: Record<string, string> =
        confirmed === undefined ? {} : { 'X-Keep-Storage-Classes-Confirmed': confirmed };
      ring.servers[0]!.behave(storing({ 'X-Keep-Replicas-Stored': '2', ...headers }));
      const result = await ring.client().put(SOURCE, { replicas: 2, storageClasses: ['default'] });
      expect(result).toMatchObject({ replicas: 2, classes: null });
      expect(ring.counts()).toEqual([1]);
    },
  );

  test('read-only services and gateways are not written to', async () => {
    await using ring = await startRing(3, HASH);
    for (const server of ring.servers) server.behave(storing());
    const [first, second, third] = ring.services;
    const services = fixedServices([{ ...first!, readOnly: true }, { ...second!, type: 'gateway:s3' }, third!]);
    expect(await ring.client({ services }).put(SOURCE, { replicas: 1 })).toMatchObject({ replicas: 1 });
    expect(ring.counts()).toEqual([0, 0, 1]);
  });

  test('a refusal costs no upload', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(answering(507));
    ring.servers[1]!.behave(storing());
    await ring.client().put(SOURCE, { replicas: 1 });
    expect(ring.servers.map(({ seen }) => seen[0]?.bodyBytes)).toEqual([0, 100_000]);
  });

  test('a server that ignores Expect gets the body after a second', async () => {
    await using ring = await startRing(1, HASH);
    ring.servers[0]!.behave(async (request) => {
      let bytes = 0;
      for await (const chunk of request) bytes += chunk.length;
      return { status: 200, body: `${HASH}+${bytes}` };
    });
    expect(await ring.client().put(SOURCE, { replicas: 1 })).toMatchObject({ locator: `${HASH}+100000` });
  });

  test('the empty block is sent without Expect', async () => {
    const hash = md5('');
    await using ring = await startRing(1, hash);
    ring.servers[0]!.behave(storing());
    await ring.client().put(sourceOfBytes(hash, new Uint8Array(0)), { replicas: 1 });
    expect(ring.servers[0]!.seen[0]!.headers).toMatchObject({ 'content-length': '0' });
    expect(ring.servers[0]!.seen[0]!.headers.expect).toBeUndefined();
  });

  test('a failure that may pass is tried again later; stored copies are kept and not written twice', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(storing());
    let asked = 0;
    ring.servers[1]!.behave((...request) => (++asked === 1 ? { status: 503 } : storing()(...request)));
    expect(await ring.client().put(SOURCE, { replicas: 2 })).toMatchObject({ replicas: 2 });
    expect(ring.counts()).toEqual([1, 2]);
    expect(ring.pauses).toHaveLength(1);
  });

  test.each([400, 403, 413, 429, 501])('a %i is final for that service', async (status) => {
    await using ring = await startRing(2, HASH);
    for (const server of ring.servers) server.behave(answering(status));
    const error = await failureOf(ring.client().put(SOURCE, { replicas: 1 }));
    expect(error.code).toBe('unavailable');
    expect(ring.counts()).toEqual([1, 1]);
    expect(ring.pauses).toEqual([]);
  });

  test('too few copies is an error that says how many there are and what each service said', async () => {
    await using ring = await startRing(3, HASH);
    const services = fixedServices([ring.services[0]!, ring.services[1]!, { ...ring.services[2]!, url: DEAD_URL }]);
    ring.servers[0]!.behave(storing());
    ring.servers[1]!.behave(answering(507));
    const error = await failureOf(ring.client({ services }).put(SOURCE, { replicas: 3 }));
    expect(error).toMatchObject({ code: 'unavailable', replicas: 1 });
    expect(error.message).toMatch(/^wanted 3 copies, stored 1: /);
    expect(error.answers.map(({ status }) => status).sort()).toEqual([507, null]);
  });

  test('everything full is said as such', async () => {
    await using ring = await startRing(2, HASH);
    for (const server of ring.servers) server.behave(answering(507));
    expect((await failureOf(ring.client().put(SOURCE, { replicas: 1 }))).code).toBe('full');
  });

  test.each([`${md5('other')}+5`, `${HASH}ff+100000`, `${HASH}+99999`, `${HASH}x`, '', `${HASH}+100000 more`])(
    'a service that confirms %j has not stored this block',
    async (confirmed) => {
      await using ring = await startRing(2, HASH);
      ring.servers[0]!.behave(async (_request, _response, body) => {
        await body();
        return { status: 200, body: confirmed };
      });
      ring.servers[1]!.behave(storing());
      expect(await ring.client().put(SOURCE, { replicas: 1 })).toMatchObject({ locator: `${HASH}+100000+Asigned` });
      expect(ring.counts()).toEqual([1, 1]);
    },
  );

  test('a read-only proxy in the list neither gets the block nor gives the disks its connect time-out', async () => {
    await using ring = await startRing(2, HASH);
    const [disk, proxy] = ring.services;
    ring.servers[0]!.behave(storing());
    const services = fixedServices([disk!, { ...proxy!, type: 'proxy', readOnly: true }]);
    const timeouts: number[] = [];
    const platform = ring.platformWith((request) => timeouts.push(request.connectTimeoutMs));
    await ring.client({ services, platform }).put(SOURCE, { replicas: 1 });
    expect(timeouts).toEqual([2_000]);
  });

  test('when all services failed for good, a fresh list is asked, and one that has joined gets the block', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(answering(507));
    ring.servers[1]!.behave(storing());
    const services = { list: async (refresh = false) => ring.services.slice(0, refresh ? 2 : 1) };
    expect(await ring.client({ services }).put(SOURCE, { replicas: 1 })).toMatchObject({ replicas: 1 });
    expect(ring.counts()).toEqual([1, 1]);
  });

  test('a fresh list without a further service ends the write: copies that are stored count, services that left do not', async () => {
    await using ring = await startRing(3, HASH);
    ring.servers[0]!.behave(storing());
    ring.servers[1]!.behave(answering(503));
    ring.servers[2]!.behave(answering(507));
    const services = {
      list: async (refresh = false) => ring.services.filter((_, index) => !refresh || index !== 1),
    };
    const error = await failureOf(ring.client({ services, retry: SDK_RETRIES }).put(SOURCE, { replicas: 3 }));
    expect(error).toMatchObject({ code: 'full', replicas: 1 });
    expect(error.answers.map(({ url }) => url)).toEqual([ring.services[2]!.url]);
    expect(ring.counts()).toEqual([1, 1, 1]);
    expect(ring.pauses).toEqual([4_000]);
  });

  test('one that takes nothing is given up', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(hanging);
    ring.servers[1]!.behave(storing());
    const limits = { bytesPerSecond: 8_192, windowMs: 1_600 };
    expect(await ring.client({ limits }).put(SOURCE, { replicas: 1 })).toMatchObject({ replicas: 1 });
    expect(ring.counts()).toEqual([1, 1]);
  });

  test('an aborted write ends at once', async () => {
    await using ring = await startRing(2, HASH);
    ring.servers[0]!.behave(hanging);
    const controller = new AbortController();
    const writing = ring.client().put(SOURCE, { replicas: 1, signal: controller.signal });
    while (ring.counts()[0] === 0) await wait(5);
    controller.abort(new Error('changed my mind'));
    await expect(writing).rejects.toThrow('changed my mind');
    expect(ring.counts()).toEqual([1, 0]);
  });
});
