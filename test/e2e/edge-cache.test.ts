import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { getBlock, md5, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { rawRequest } from '../support/raw-http.ts';
import { startService, type TestService } from '../support/service.ts';
import { dataKey } from '../support/volumes.ts';

/** What the edge keeps, and who gets it. `attested` blocks stream past the cache, ones in parts are hashed on the way. */
const SIZES = [1000, 300_000, 5 << 20];

async function storeInParts(service: TestService, size: number): Promise<TestBlock> {
  const block = randomBlock(size);
  await putBlock(service.url, block);
  await service.r2('BLOCKS').putInParts(dataKey(block.hash), block.data);
  return block;
}

/** Reads until the answer comes from the cache: an entry is finished after the answer that filled it. */
async function readUntilHit(service: TestService, block: TestBlock): Promise<void> {
  for (;;) {
    const answer = await getBlock(service.url, block);
    expect([answer.status, md5(answer.body)]).toEqual([200, block.hash]);
    if (answer.headers.get('keep-edge-status') === 'hit') return;
    await setTimeout(20);
  }
}

/**
 * A block and a file that have been read before are asked for by all who may not read them: the status is the same whatever cache there
 * is, and no answer holds any of the bytes.
 */
async function expectOthersRefused(service: TestService): Promise<void> {
  const stranger = await createUser(service, 'stranger');
  const block = randomBlock(300_000);
  await putBlock(service.url, block);
  const { uuid, portable_data_hash: hash } = await createCollection(service, `. ${block.locator} 0:300000:file\n`);
  const range = { range: 'bytes=1000-1999' };
  for (let round = 0; round < 3; round++) {
    expect((await getBlock(service.url, block)).body).toHaveLength(300_000);
    expect((await request(`${service.url}/c=${uuid}/file`, { headers: range })).body).toHaveLength(1000);
  }
  const signed = sign(block.locator);
  const asked: [path: string, token: string | null, status: number][] = [
    [sign(block.locator, { key: 'another' }), service.rootToken, 400],
    [sign(block.locator, { expiry: 1 }), service.rootToken, 401],
    [sign(block.locator, { expiry: 1 }), stranger.token, 401],
    [block.locator, service.rootToken, 400],
    [signed, null, 401],
    [signed, stranger.token, 400],
    ...[`c=${uuid}/file`, `c=${hash}/file`].flatMap((file): typeof asked => [
      [file, null, 401],
      [file, 'bogus', 401],
      [file, stranger.token, 404],
      [`${file.slice(0, -5)}/t=${stranger.token}/file`, null, 404],
    ]),
  ];
  for (const [path, token, status] of asked) {
    for (const headers of [{}, range]) {
      const answer = await request(`${service.url}/${path}`, { token, headers });
      expect([path, token, answer.status]).toEqual([path, token, status]);
      expect([answer.body.length < 100, answer.headers.get('content-range')]).toEqual([true, null]);
    }
  }
}

test('a block that was read once is there without the store, whole and for HEAD, but still needs its signature', async () => {
  await using service = await startService();
  for (const size of SIZES) {
    for (const block of [randomBlock(size), await storeInParts(service, size)]) {
      if ((await service.r2('BLOCKS').get(dataKey(block.hash))) === null) await putBlock(service.url, block);
      expect((await getBlock(service.url, block)).headers.get('keep-edge-status')).toMatch(/^miss; mount=/);
      await readUntilHit(service, block);
      await service.r2('BLOCKS').delete(dataKey(block.hash));
      const hit = await getBlock(service.url, block);
      expect([hit.status, md5(hit.body), hit.headers.get('keep-edge-status')]).toEqual([200, block.hash, 'hit']);
      expect(hit.headers.get('cache-control')).toContain('private');
      for (const [locator, token, status] of [
        [block.locator, undefined, 400],
        [sign(block.locator), null, 401],
        [sign(block.locator), 'another', 400],
        [sign(block.locator, { key: 'another' }), undefined, 400],
        [sign(block.locator, { expiry: 1 }), undefined, 401],
      ] as const) {
        const refused = await request(`${service.url}/${locator}`, token === undefined ? {} : { token });
        expect(refused.status).toBe(status);
      }
    }
  }
  await expectOthersRefused(service);
});

test('what turns out corrupt, is not there, or breaks off is never kept', async () => {
  await using service = await startService();
  const missing = randomBlock(100);
  expect((await getBlock(service.url, missing)).status).toBe(404);
  await putBlock(service.url, missing);
  expect((await getBlock(service.url, missing)).status).toBe(200);
  for (const size of SIZES) {
    const block = await storeInParts(service, size);
    const damaged = Uint8Array.from(block.data);
    damaged[size - 1] = (damaged[size - 1] ?? 0) ^ 1;
    await service.r2('BLOCKS').putInParts(dataKey(block.hash), damaged);
    const headers = { authorization: `Bearer ${service.rootToken}` };
    const path = `/${sign(block.locator)}`;
    for (let round = 0; round < 3; round++) {
      const answer = await rawRequest(service.url, { path, headers });
      expect(answer.status === 502 || !answer.complete).toBe(true);
    }
    await service.r2('BLOCKS').put(dataKey(block.hash), block.data);
    await readUntilHit(service, block);
  }
});

test('EDGE_CACHE = "tiered" asks the entrypoint behind the cache, with permission checked before', async () => {
  await using service = await startService({ vars: { EDGE_CACHE: 'tiered' } });
  for (const size of SIZES) {
    for (const block of [randomBlock(size), await storeInParts(service, size)]) {
      if ((await service.r2('BLOCKS').get(dataKey(block.hash))) === null) await putBlock(service.url, block);
      const answer = await getBlock(service.url, block);
      expect([answer.status, md5(answer.body), answer.headers.get('cache-control')]).toEqual([
        200,
        block.hash,
        'private, no-transform',
      ]);
      expect((await request(`${service.url}/${sign(block.locator, { expiry: 1 })}`)).status).toBe(401);
      const { uuid } = await createCollection(service, `. ${block.locator} 0:${size}:file\n`);
      const part = await request(`${service.url}/c=${uuid}/file`, { headers: { range: 'bytes=10-509' } });
      expect([part.status, md5(part.body)]).toEqual([206, md5(block.data.subarray(10, 510))]);
      expect(md5((await request(`${service.url}/c=${uuid}/file`)).body)).toBe(block.hash);
    }
  }
  const missing = randomBlock(100);
  expect((await getBlock(service.url, missing)).status).toBe(404);
  // The entrypoint has no address.
  for (const path of ['/Block', `/blocks/${missing.hash}+100`])
    expect((await request(`${service.url}${path}`)).status).toBe(404);
  await expectOthersRefused(service);
});

test('EDGE_CACHE = false keeps nothing', async () => {
  await using service = await startService({ vars: { EDGE_CACHE: false } });
  for (const size of SIZES) {
    const block = randomBlock(size);
    await putBlock(service.url, block);
    for (let round = 0; round < 3; round++) {
      expect((await getBlock(service.url, block)).headers.get('keep-edge-status')).toMatch(
        /^miss; mount=.*; attested$/,
      );
    }
    await service.r2('BLOCKS').delete(dataKey(block.hash));
    expect((await getBlock(service.url, block)).status).toBe(404);
  }
  await expectOthersRefused(service);
});
