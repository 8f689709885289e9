import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getBlock, md5, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { createS3Bucket, type S3Bucket, s3IsRequired, s3Secrets, s3Server, s3Volume } from '../support/s3.ts';
import { type HandBucket, startService, type TestService } from '../support/service.ts';
import { dataKey, R2_VOLUME, r2Volume, S3_VOLUME } from '../support/volumes.ts';

/** One bucket, shared with real keepstores: their objects are written by hand here, and this service's objects are inspected. */
/** Long enough for what a slow machine does while a block is young, and an S3 server tells whole seconds only. */
const TTL_SECONDS = 5;
const PART_BYTES = 5 << 20;
const NOTHING = new Uint8Array(0);

const STORES = [
  {
    name: 'R2',
    open: async (vars: Record<string, unknown>, prefixLength: number) => {
      const volume = r2Volume('BLOCKS', {}, { PrefixLength: prefixLength });
      const service = await startService({ vars: { ...vars, VOLUMES: { [R2_VOLUME]: volume } } });
      return { service, bucket: service.r2('BLOCKS') };
    },
  },
  {
    name: 'S3',
    open: async (vars: Record<string, unknown>, prefixLength: number) => {
      const bucket = await createS3Bucket();
      const volume = s3Volume(bucket, { PrefixLength: prefixLength });
      const service = await startService({ vars: { ...vars, ...s3Secrets(bucket), VOLUMES: { [S3_VOLUME]: volume } } });
      return { service, bucket };
    },
  },
].filter(({ name }) => name === 'R2' || s3IsRequired);

describe.each(STORES)('a bucket on $name that is shared with keepstores', ({ open }) => {
  let service: TestService;
  let bucket: HandBucket | S3Bucket;

  beforeAll(async () => {
    const vars = { EDGE_CACHE: false, BLOB_SIGNING_TTL: `${TTL_SECONDS}s`, BLOB_TRASH_LIFETIME: '1h' };
    ({ service, bucket } = await open(vars, 3));
  });
  afterAll(() => service.stop());

  /** As keepstore writes: up to 5 MiB in one PUT, else in parts of 5 MiB; then the marker. */
  async function writeAsKeepstore(block: TestBlock): Promise<void> {
    const key = dataKey(block.hash);
    if (block.data.length <= PART_BYTES) await bucket.put(key, block.data);
    else await bucket.putInParts(key, block.data, PART_BYTES);
    await bucket.put(`recent/${key}`, NOTHING);
  }

  const get = (block: TestBlock, method = 'GET') =>
    request(`${service.url}/${sign(block.locator, { ttlSeconds: TTL_SECONDS })}`, { method });
  const manage = (method: string, path: string) => request(`${service.url}/${path}`, { method });
  const index = async (prefix: string) =>
    (await manage('GET', `index/${prefix}`)).text.split('\n').filter((line) => line !== '');

  test('gives blocks that a keepstore wrote, small and in parts, and lists them', async () => {
    for (const size of [0, 10, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES]) {
      const block = randomBlock(size);
      await writeAsKeepstore(block);
      const answer = await get(block);
      expect([answer.status, md5(answer.body)]).toEqual([200, block.hash]);
      expect((await index(block.hash))[0]).toMatch(new RegExp(`^${block.hash}\\+${size} \\d{10}000000000$`));
    }
  });

  test('gets blocks laid out as a keepstore expects them', async () => {
    const block = randomBlock(1000);
    await putBlock(service.url, block);
    const key = dataKey(block.hash);
    expect(await objectsOf(block)).toEqual([key, `recent/${key}`]);
    expect(await lengthOf(`recent/${key}`)).toBe(0);
    expect(await lengthOf(key)).toBe(1000);
  });

  test('keeps the trashed copy where a keepstore looks for it, and its marker', async () => {
    const block = randomBlock(1000);
    const key = dataKey(block.hash);
    await putBlock(service.url, block);
    await setTimeout((TTL_SECONDS + 1.1) * 1000);
    expect((await manage('DELETE', block.hash)).status).toBe(200);
    expect(await objectsOf(block)).toEqual([`recent/${key}`, `trash/${key}`]);
    expect((await get(block)).status).toBe(404);
    expect((await manage('PUT', `untrash/${block.hash}`)).status).toBe(200);
    expect(md5((await get(block)).body)).toBe(block.hash);
    expect(await objectsOf(block)).toContain(key);
  });

  test('brings back what a keepstore trashed', async () => {
    const block = randomBlock(1000);
    const key = dataKey(block.hash);
    await bucket.put(`recent/${key}`, NOTHING);
    await setTimeout((TTL_SECONDS + 1.1) * 1000);
    await bucket.put(`trash/${key}`, block.data);
    expect((await get(block)).status).toBe(404);
    expect((await manage('PUT', `untrash/${block.hash}`)).status).toBe(200);
    expect(md5((await get(block)).body)).toBe(block.hash);
  });

  test('undoes a trash that raced with a write: the marker is younger than the trash allows', async () => {
    const block = randomBlock(1000);
    const key = dataKey(block.hash);
    await bucket.put(`recent/${key}`, NOTHING);
    await bucket.put(`trash/${key}`, block.data);
    expect(md5((await get(block)).body)).toBe(block.hash);
    expect(await objectsOf(block)).toContain(key);
  });

  test('takes a block without a marker for a young one', async () => {
    const block = randomBlock(1000);
    const key = dataKey(block.hash);
    await bucket.put(key, block.data);
    await setTimeout((TTL_SECONDS + 1.1) * 1000);
    expect((await get(block)).status).toBe(200);
    expect((await manage('DELETE', block.hash)).status).toBe(200);
    expect((await get(block)).status).toBe(200);
    expect(await objectsOf(block)).toEqual([key, `recent/${key}`]);
  });

  test('leaves objects that are no blocks alone, and out of the index', async () => {
    const strangers = ['README', 'abc/notes.txt', 'recent/notes', `zzz/${'0'.repeat(32)}`, `${'f'.repeat(33)}`];
    for (const key of strangers) await bucket.put(key, new Uint8Array(1));
    const lines = await index('');
    expect(lines.every((line) => /^[0-9a-f]{32}\+\d+ \d{19}$/.test(line))).toBe(true);
    expect(lines.some((line) => line.startsWith('0'.repeat(32)))).toBe(false);
    for (const key of strangers) expect(await lengthOf(key)).toBe(1);
  });

  test('is named as a keepstore names it', async () => {
    const [mount] = JSON.parse((await manage('GET', 'mounts')).text) as { device_id: string }[];
    const expected = 'server' in bucket ? `s3://${s3Server()?.endpoint}/${bucket.name}` : `r2://${R2_VOLUME}`;
    expect(mount?.device_id).toBe(expected);
  });

  async function objectsOf(block: TestBlock): Promise<string[]> {
    const key = dataKey(block.hash);
    const found = await Promise.all([key, `recent/${key}`, `trash/${key}`].map((name) => bucket.list(name)));
    return found.flat();
  }

  async function lengthOf(key: string): Promise<number | undefined> {
    const found = await bucket.get(key);
    return found === null ? undefined : found instanceof Uint8Array ? found.length : found.data.length;
  }
});

test.each([0, 1, 3, 32])('a PrefixLength of %i decides where a block lies', async (prefixLength) => {
  const volume = r2Volume('BLOCKS', {}, { PrefixLength: prefixLength });
  await using service = await startService({ vars: { VOLUMES: { [R2_VOLUME]: volume } } });
  const block = randomBlock(10);
  await putBlock(service.url, block);
  const key = prefixLength === 0 ? block.hash : `${block.hash.slice(0, prefixLength)}/${block.hash}`;
  expect(await service.r2('BLOCKS').list()).toEqual([key, `recent/${key}`].toSorted());
  expect((await getBlock(service.url, block)).status).toBe(200);
  expect((await request(`${service.url}/index/${block.hash.slice(0, 2)}`)).text).toContain(block.locator);
});
