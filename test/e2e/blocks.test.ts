import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BLOCK_BYTES, blockOf, eachOf, getBlock, md5, putBlock, randomBlock, request, sign } from '../support/keep.ts';
import { brokenUpload, rawRequest } from '../support/raw-http.ts';
import { s3IsRequired } from '../support/s3.ts';
import { startService, type TestService } from '../support/service.ts';
import { LAYOUTS } from '../support/volumes.ts';
import collision from '../vectors/md5-collision.json' with { type: 'json' };

const EMPTY = blockOf('');
/** Long enough for what a slow machine does while a block is young, and an S3 server tells whole seconds only. */
const TTL_SECONDS = 5;

describe.each(LAYOUTS.filter(({ needsS3 }) => !needsS3 || s3IsRequired))('with $name', ({ prepare }) => {
  let service: TestService;
  let stored: () => Promise<string[]>;

  beforeAll(async () => {
    const { options, bucket } = await prepare();
    // What the edge keeps is tested elsewhere (edge-cache.test.ts): here every read asks the store.
    const vars = { ...options.vars, EDGE_CACHE: false, BLOB_SIGNING_TTL: `${TTL_SECONDS}s` };
    service = await startService({ ...options, vars });
    stored = () => bucket(service).list();
  });
  afterAll(() => service.stop());

  const signed = (locator: string) => sign(locator, { ttlSeconds: TTL_SECONDS });
  const get = (locator: string, method = 'GET') => request(`${service.url}/${signed(locator)}`, { method });

  test('a block comes back byte for byte, under the signature that its write returned', async () => {
    for (const size of [1, 1023, 65_536, 262_144, 262_145, 5_000_000]) {
      const block = randomBlock(size);
      const locator = await putBlock(service.url, block);
      expect(locator).toMatch(new RegExp(`^${block.hash}\\+${size}\\+A[0-9a-f]{40}@[0-9a-f]{8}$`));
      const answer = await request(`${service.url}/${locator}`);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-length')).toBe(String(size));
      expect(md5(answer.body)).toBe(block.hash);
      const head = await get(block.locator, 'HEAD');
      expect([head.status, head.headers.get('content-length')]).toEqual([200, String(size)]);
    }
  });

  test('a block of 64 MiB comes back byte for byte', async () => {
    const block = randomBlock(BLOCK_BYTES);
    await putBlock(service.url, block);
    const answer = await get(block.locator);
    expect(answer.status).toBe(200);
    expect(md5(answer.body)).toBe(block.hash);
  });

  test('the empty block is always there, and can be stored', async () => {
    expect(await get(EMPTY.locator)).toMatchObject({ status: 200, text: '' });
    await putBlock(service.url, EMPTY);
    expect(await get(EMPTY.locator)).toMatchObject({ status: 200, text: '' });
  });

  test('a body with another digest is refused and leaves nothing behind', async () => {
    const before = await stored();
    for (const size of [1000, 8 << 20]) {
      const named = randomBlock(size);
      const answer = await request(`${service.url}/${named.hash}`, { method: 'PUT', body: randomBlock(size).data });
      expect(answer.status).toBe(400);
      expect((await get(named.locator)).status).toBe(404);
    }
    expect(await stored()).toEqual(before);
  });

  test('an upload that breaks off leaves nothing behind', async () => {
    const before = await stored();
    const block = randomBlock(8 << 20);
    await brokenUpload(service.url, {
      method: 'PUT',
      path: `/${block.hash}`,
      headers: { authorization: `Bearer ${service.rootToken}` },
      contentLength: block.data.length,
      sent: block.data.subarray(0, 5 << 20),
    });
    // Nothing can be seen of a write that does not happen: give it the time to go wrong.
    await setTimeout(500);
    expect((await get(block.locator)).status).toBe(404);
    // Parts that were on their way may still be cleared up.
    await expect.poll(stored).toEqual(before);
  });

  test('too long and unannounced bodies are refused before they are sent', async () => {
    const headers = { authorization: `Bearer ${service.rootToken}` };
    const path = `/${EMPTY.hash}`;
    const long = await rawRequest(service.url, {
      method: 'PUT',
      path,
      headers: { ...headers, 'content-length': '67108865' },
    });
    expect(long.status).toBe(413);
    const chunked = await rawRequest(service.url, {
      method: 'PUT',
      path,
      headers: { ...headers, 'transfer-encoding': 'chunked', 'content-length': '' },
    });
    expect([411, 400]).toContain(chunked.status);
  });

  test('the second block of a colliding pair is refused and the first stays', async () => {
    const first = blockOf(Buffer.from(collision.first, 'hex'));
    const second = blockOf(Buffer.from(collision.second, 'hex'));
    expect(second.hash).toBe(first.hash);
    await putBlock(service.url, first);
    const refused = await request(`${service.url}/${second.hash}`, { method: 'PUT', body: second.data });
    expect(refused).toMatchObject({ status: 500 });
    expect(refused.text).toContain('hash collision');
    expect(Buffer.from((await get(first.locator)).body).toString('hex')).toBe(collision.first);
  });

  test('concurrent writes of one block all succeed and leave it whole', async () => {
    const block = randomBlock(1 << 20);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => request(`${service.url}/${block.hash}`, { method: 'PUT', body: block.data })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(md5((await get(block.locator)).body)).toBe(block.hash);
  });

  test('a touch moves the time in the index on', async () => {
    const block = randomBlock(10);
    await putBlock(service.url, block);
    const before = await mtime(block.hash);
    await setTimeout(1100);
    const headers = { 'x-http-method-override': 'TOUCH' };
    expect((await request(`${service.url}/${block.locator}`, { method: 'POST', headers })).status).toBe(200);
    expect(await mtime(block.hash)).toBeGreaterThan(before);
  });

  test('a block can be trashed once it is old enough, and brought back', async () => {
    const block = randomBlock(100_000);
    await putBlock(service.url, block);
    const url = `${service.url}/${block.hash}`;
    expect((await request(url, { method: 'DELETE' })).status).toBe(200);
    expect((await get(block.locator)).status).toBe(200);
    await setTimeout((TTL_SECONDS + 1.1) * 1000);
    expect((await request(url, { method: 'DELETE' })).status).toBe(200);
    expect((await get(block.locator)).status).toBe(404);
    expect((await get(block.locator, 'HEAD')).status).toBe(404);
    expect(await indexLines(block.hash)).toEqual([]);
    expect((await request(`${service.url}/untrash/${block.hash}`, { method: 'PUT' })).status).toBe(200);
    expect(md5((await get(block.locator)).body)).toBe(block.hash);
    expect((await request(`${service.url}/untrash/${randomBlock(9).hash}`, { method: 'PUT' })).status).toBe(404);
  });

  test('the index names each of more than a thousand blocks once, in order, and says that it is complete', async () => {
    const blocks = Array.from({ length: 1100 }, (_, index) => blockOf(`indexed ${index}`));
    await eachOf(blocks, 16, async (block) => void (await putBlock(service.url, block)));
    const all: string[] = [];
    for (const mount of JSON.parse((await request(`${service.url}/mounts`)).text) as { uuid: string }[]) {
      const locators = await locatorsIn(`/mounts/${mount.uuid}/blocks`);
      expect(locators).toEqual([...new Set(locators)].toSorted());
      expect(await locatorsIn(`/mounts/${mount.uuid}/blocks?prefix=0a`)).toEqual(
        locators.filter((locator) => locator.startsWith('0a')),
      );
      all.push(...locators);
    }
    expect(await locatorsIn('/index')).toEqual(all);
    const there = new Set(all);
    expect(blocks.filter(({ locator }) => !there.has(locator))).toEqual([]);
  });

  /** The locators of a complete index. */
  async function locatorsIn(path: string): Promise<string[]> {
    const { text } = await request(`${service.url}${path}`);
    expect(text).toMatch(/(^|[^\n]\n)\n$/);
    return text.split('\n').flatMap((line) => line.split(' ')[0] || []);
  }

  async function indexLines(prefix: string): Promise<string[]> {
    const { text } = await request(`${service.url}/index/${prefix}`);
    return text.split('\n').filter((line) => line !== '');
  }

  async function mtime(hash: string): Promise<number> {
    const [line] = await indexLines(hash);
    expect(line).toMatch(/^[0-9a-f]{32}\+\d+ \d{19}$/);
    return Number(line?.split(' ')[1]);
  }
});

describe('with two R2 volumes of different classes', () => {
  test('a write goes to the classes it asks for, and says how often it was stored', async () => {
    const { options } = await LAYOUTS[1]!.prepare();
    await using service = await startService(options);
    for (const [classes, confirmed, replicas, inBlocks, inArchive] of [
      ['', 'default=1', '1', 1, 0],
      ['default', 'default=1', '1', 1, 0],
      ['archive', 'archive=1', '1', 0, 1],
      ['default, archive', 'archive=1, default=1', '2', 1, 1],
    ] as const) {
      const block = randomBlock(3 << 20);
      const answer = await request(`${service.url}/${block.hash}`, {
        method: 'PUT',
        body: block.data,
        headers: classes === '' ? {} : { 'x-keep-storage-classes': classes },
      });
      const header = answer.headers.get('x-keep-storage-classes-confirmed') ?? '';
      const sorted = header.split(', ').toSorted().join(', ');
      expect([answer.status, answer.headers.get('x-keep-replicas-stored')]).toEqual([200, replicas]);
      if (classes !== '') expect(sorted).toBe(confirmed);
      if (classes === '') continue;
      expect(await service.r2('BLOCKS').list(`${block.hash.slice(0, 3)}/${block.hash}`)).toHaveLength(inBlocks);
      expect(await service.r2('ARCHIVE').list(`${block.hash.slice(0, 3)}/${block.hash}`)).toHaveLength(inArchive);
      expect((await getBlock(service.url, block)).status).toBe(200);
    }
    const unknown = await request(`${service.url}/${randomBlock(1).hash}`, {
      method: 'PUT',
      body: 'x',
      headers: { 'x-keep-storage-classes': 'nonexistent' },
    });
    expect(unknown.status).toBe(507);
  });
});
