import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BLOCK_BYTES, getBlock, md5, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { indexOf } from '../support/queues.ts';
import { openRaw, rawRequest } from '../support/raw-http.ts';
import { createS3Bucket, type S3Bucket, s3IsRequired, s3Secrets, s3Server, s3Volume } from '../support/s3.ts';
import { type S3Proxy, type SeenRequest, startS3Proxy } from '../support/s3-proxy.ts';
import { startService, type TestService } from '../support/service.ts';
import { dataKey, S3_VOLUME } from '../support/volumes.ts';

/** What goes wrong between the service and its S3 server, made to go wrong by a proxy in front of a real one. */
const MIB = 1 << 20;

describe.runIf(s3IsRequired)('when S3', () => {
  let proxy: S3Proxy;
  let bucket: S3Bucket;
  let service: TestService;

  const start = async (vars: Record<string, unknown> = {}) => {
    const volume = { [S3_VOLUME]: s3Volume(proxy.through(bucket)) };
    return startService({ vars: { ...s3Secrets(bucket), VOLUMES: volume, EDGE_CACHE: false, ...vars } });
  };

  beforeAll(async () => {
    bucket = await createS3Bucket();
    const server = s3Server();
    if (server === null) throw new Error('no S3 server');
    proxy = await startS3Proxy(server);
    service = await start();
  });
  beforeEach(() => {
    proxy.fault = () => undefined;
    proxy.seen.length = 0;
  });
  afterAll(async () => {
    await service.stop();
    await proxy[Symbol.asyncDispose]();
  });

  const isData = ({ hash }: TestBlock, { url }: SeenRequest) =>
    new URL(url, 'http://s3').pathname.endsWith(`/${dataKey(hash)}`);
  const dataRequests = (block: TestBlock, method: string) =>
    proxy.seen.filter((seen) => seen.method === method && isData(block, seen));

  test.each([
    ['asks to slow down', { status: 503, body: '<Error><Code>SlowDown</Code></Error>' }],
    ['fails inside', { status: 500, body: '<Error><Code>InternalError</Code></Error>' }],
    ['hangs up', { hangUp: true } as const],
  ])('%s twice, a read goes on to succeed', async (_, fault) => {
    const block = randomBlock(1000);
    await putBlock(service.url, block);
    let left = 2;
    proxy.fault = () => (left-- > 0 ? fault : undefined);
    const answer = await getBlock(service.url, block);
    expect([answer.status, md5(answer.body)]).toEqual([200, block.hash]);
    expect(left).toBeLessThan(0);
  });

  test('keeps failing, a read says so and not that the block is missing', async () => {
    const block = randomBlock(1000);
    await putBlock(service.url, block);
    proxy.fault = () => ({ status: 503 });
    expect((await getBlock(service.url, block)).status).toBe(503);
    proxy.fault = () => ({ status: 403, body: '<Error><Code>AccessDenied</Code></Error>' });
    expect((await getBlock(service.url, block)).status).toBe(503);
    proxy.fault = () => ({ status: 404, body: '<Error><Code>NoSuchBucket</Code></Error>' });
    expect((await getBlock(service.url, block)).status).toBe(503);
  });

  test('breaks off in the middle of a small block, a read says to come back', async () => {
    await using hashing = await start({ VERIFY_READS: 'always' });
    const block = randomBlock(50_000);
    await putBlock(hashing.url, block);
    proxy.fault = (seen) => (seen.method === 'GET' && isData(block, seen) ? { cutAnswerAfter: 20_000 } : undefined);
    const answer = await getBlock(hashing.url, block);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  });

  test('breaks off in the middle of its errors, a read goes on to succeed, or says to come back', async () => {
    const block = randomBlock(1000);
    await putBlock(service.url, block);
    const error = { status: 500, body: '<Error><Code>Inter', headers: { 'content-length': '5000' } };
    let left = 2;
    proxy.fault = () => (left-- > 0 ? error : undefined);
    const answer = await getBlock(service.url, block);
    expect([answer.status, md5(answer.body)]).toEqual([200, block.hash]);
    left = Number.POSITIVE_INFINITY;
    const failed = await getBlock(service.url, block);
    expect([failed.status, failed.headers.get('retry-after')]).toEqual([503, '5']);
  });

  test('breaks off in the middle of its listings, the index is complete, or has no end', async () => {
    const block = randomBlock(1000);
    await putBlock(service.url, block);
    const isListing = ({ url }: SeenRequest) => url.includes('list-type=2');
    let left = 2;
    proxy.fault = (seen) => (isListing(seen) && left-- > 0 ? { cutAnswerAfter: 100 } : undefined);
    expect((await indexOf(service)).has(block.locator)).toBe(true);
    expect(left).toBeLessThan(0);
    left = Number.POSITIVE_INFINITY;
    const answer = await request(`${service.url}/index`).catch(() => null);
    const looksComplete = answer?.status === 200 && /(^|\n)\n$/.test(answer.text);
    expect(looksComplete).toBe(false);
  });

  test('fails during a write, the write is not sent twice and not acknowledged', async () => {
    const block = randomBlock(MIB);
    proxy.fault = (seen) => (seen.method === 'PUT' && isData(block, seen) ? { status: 503 } : undefined);
    const answer = await request(`${service.url}/${block.hash}`, { method: 'PUT', body: block.data });
    expect(answer.status).toBe(503);
    expect(dataRequests(block, 'PUT').length).toBe(1);
    expect(await bucket.list(dataKey(block.hash))).toEqual([]);
  });

  test('stores the data but not the mark of recent use, the write is not acknowledged', async () => {
    const block = randomBlock(1000);
    proxy.fault = ({ method, url }) => (method === 'PUT' && url.includes('/recent/') ? { status: 503 } : undefined);
    const answer = await request(`${service.url}/${block.hash}`, { method: 'PUT', body: block.data });
    expect(answer.status).toBe(503);
    proxy.fault = () => undefined;
    await putBlock(service.url, block);
    expect(await bucket.list(`recent/${dataKey(block.hash)}`)).toHaveLength(1);
  });

  test('is over its quota, a write says full', async () => {
    const block = randomBlock(1000);
    const body = '<Error><Code>QuotaExceeded</Code></Error>';
    proxy.fault = ({ method }) => (method === 'PUT' ? { status: 403, body } : undefined);
    const answer = await request(`${service.url}/${block.hash}`, { method: 'PUT', body: block.data });
    expect(answer.status).toBe(507);
  });

  test('breaks off in the middle of a block, so does the answer', async () => {
    const block = randomBlock(4 * MIB);
    await putBlock(service.url, block);
    proxy.fault = (seen) => (seen.method === 'GET' && isData(block, seen) ? { cutAnswerAfter: 2 * MIB } : undefined);
    const headers = { authorization: `Bearer ${service.rootToken}` };
    const answer = await rawRequest(service.url, { path: `/${sign(block.locator)}`, headers });
    expect([answer.status, answer.complete]).toEqual([200, false]);
    expect(answer.body.length).toBeLessThanOrEqual(2 * MIB);
  });

  test('gives wrong bytes under the right ETag, VERIFY_READS = "always" finds it out', async () => {
    await using hashing = await start({ VERIFY_READS: 'always' });
    const headers = { authorization: `Bearer ${hashing.rootToken}` };
    for (const size of [1000, 3 * MIB]) {
      const block = randomBlock(size);
      await putBlock(hashing.url, block);
      const whole = await getBlock(hashing.url, block);
      expect([whole.status, md5(whole.body)]).toEqual([200, block.hash]);
      expect(whole.headers.get('keep-edge-status')).toContain('hashed');
      proxy.fault = (seen) => (seen.method === 'GET' && isData(block, seen) ? { flipBitAt: 500 } : undefined);
      const answer = await rawRequest(hashing.url, { path: `/${sign(block.locator)}`, headers });
      expect(answer.status === 502 || !answer.complete).toBe(true);
      proxy.fault = () => undefined;
    }
  });

  test('says 200 to a copy that failed, nothing is trashed', async () => {
    await using brief = await start({ BLOB_SIGNING_TTL: '1s' });
    const block = randomBlock(1000);
    await putBlock(brief.url, block);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const body = '<?xml version="1.0"?><Error><Code>InternalError</Code><Message></Message></Error>';
    proxy.fault = ({ headers }) =>
      headers['x-amz-copy-source'] === undefined
        ? undefined
        : { status: 200, body, headers: { 'content-type': 'application/xml' } };
    const answer = await request(`${brief.url}/${block.hash}`, { method: 'DELETE' });
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(await bucket.get(dataKey(block.hash))).not.toBeNull();
  });

  test('encrypts with a key of its own, its ETag is not taken for an MD5', async () => {
    const block = randomBlock(300_000);
    await putBlock(service.url, block);
    const etag = `"${md5('something else')}"`;
    proxy.fault = (seen) =>
      seen.method === 'GET' && isData(block, seen)
        ? {
            lieAfterwards: {
              status: 200,
              body: block.data,
              headers: { etag, 'x-amz-server-side-encryption': 'aws:kms' },
            },
          }
        : undefined;
    const answer = await getBlock(service.url, block);
    expect([answer.status, md5(answer.body)]).toEqual([200, block.hash]);
    expect(answer.headers.get('keep-edge-status')).toContain('hashed');
  });

  test.each([
    ['attested', {}],
    ['hashed', { VERIFY_READS: 'always' }],
  ])('is read for a client that goes away (%s), the read stops', async (_, vars) => {
    await using reader = await start(vars);
    const block = randomBlock(BLOCK_BYTES);
    await putBlock(reader.url, block);
    const headers = { authorization: `Bearer ${reader.rootToken}` };
    const socket = await openRaw(reader.url, { path: `/${sign(block.locator)}`, headers });
    await once(socket, 'readable');
    const [read] = dataRequests(block, 'GET');
    socket.destroy();
    expect(await read?.done).toBe(false);
    expect(read?.answered).toBeLessThan(BLOCK_BYTES);
  });
});
