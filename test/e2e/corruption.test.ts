import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mountOrder } from '../../src/keep/rendezvous.ts';
import {
  BLOCK_BYTES,
  blockOf,
  getBlock,
  md5,
  putBlock,
  randomBlock,
  request,
  sign,
  type TestBlock,
} from '../support/keep.ts';
import { type RawAnswer, rawRequest } from '../support/raw-http.ts';
import { createS3Bucket, type S3Bucket, s3IsRequired, s3Secrets, s3Volume } from '../support/s3.ts';
import { type HandBucket, startService, type TestService } from '../support/service.ts';
import { dataKey, R2_ARCHIVE, R2_VOLUME, r2Volume, S3_VOLUME } from '../support/volumes.ts';

/** Damage done by hand in the bucket. What counts is that no client ever takes wrong bytes for a block. */
const MIB = 1 << 20;
const PART_BYTES = 5 * MIB;

interface Damage {
  what: string;
  damage: (block: TestBlock) => Uint8Array;
}

const DAMAGES: Damage[] = [
  { what: 'one byte wrong at the start', damage: ({ data }) => changed(data, 0) },
  { what: 'one byte wrong at the end', damage: ({ data }) => changed(data, data.length - 1) },
  { what: 'cut short by one byte', damage: ({ data }) => data.subarray(0, -1) },
  { what: 'emptied', damage: () => new Uint8Array(0) },
  { what: 'one byte too long', damage: ({ data }) => Buffer.concat([data, Buffer.from([0])]) },
  { what: 'swapped for another block of its size', damage: ({ data }) => randomBlock(data.length).data },
];

const STORES = [
  {
    name: 'R2',
    open: async () => {
      const vars = { VOLUMES: { [R2_VOLUME]: r2Volume('BLOCKS') }, EDGE_CACHE: false };
      const service = await startService({ vars });
      return { service, bucket: service.r2('BLOCKS') };
    },
  },
  {
    name: 'S3',
    open: async () => {
      const bucket = await createS3Bucket();
      const vars = { ...s3Secrets(bucket), VOLUMES: { [S3_VOLUME]: s3Volume(bucket) }, EDGE_CACHE: false };
      return { service: await startService({ vars }), bucket };
    },
  },
].filter(({ name }) => name === 'R2' || s3IsRequired);

describe.each(STORES)('a damaged block on $name', ({ name, open }) => {
  let service: TestService;
  let bucket: HandBucket | S3Bucket;

  beforeAll(async () => {
    ({ service, bucket } = await open());
  });
  afterAll(() => service.stop());

  test.each(DAMAGES)('in one part, $what: 502 before the first byte, for GET and HEAD', async ({ damage }) => {
    for (const size of [1000, 3 * MIB]) {
      const block = randomBlock(size);
      await putBlock(service.url, block);
      await bucket.put(dataKey(block.hash), damage(block));
      expect((await rawGet(block)).status).toBe(502);
      expect((await rawGet(block, 'HEAD')).status).toBe(502);
    }
  });

  test.each(DAMAGES)(
    'written in parts, $what: 502 or a body that breaks off, never a whole wrong one',
    async ({ damage }) => {
      for (const size of [1000, 300_000, 7 * MIB]) {
        const block = randomBlock(size);
        await putBlock(service.url, block);
        await bucket.putInParts(dataKey(block.hash), nonEmpty(damage(block)), PART_BYTES);
        const answer = await rawGet(block);
        if (answer.status !== 502) {
          expect(answer.status).toBe(200);
          expect(answer.complete).toBe(false);
          expect(answer.headers['content-length']).toBe(String(size));
          // A short block is judged before its status.
          expect(size).toBeGreaterThan(256 * 1024);
        }
        expect((await rawGet(block, 'HEAD')).status).toBe(502);
      }
    },
  );

  test('written in parts and sound: whole, as from a keepstore', async () => {
    // Local R2 is slow with large ones.
    const large = name === 'S3' ? BLOCK_BYTES : 2 * PART_BYTES + 1;
    for (const size of [1, 1000, 262_144, 300_000, PART_BYTES, large]) {
      const block = randomBlock(size);
      await putBlock(service.url, block);
      await bucket.putInParts(dataKey(block.hash), block.data, PART_BYTES);
      const answer = await getBlock(service.url, block);
      expect([answer.status, md5(answer.body)]).toEqual([200, block.hash]);
      expect((await rawGet(block, 'HEAD')).status).toBe(200);
    }
  });

  test('a locator that tells another size than the block has gets no body', async () => {
    const block = randomBlock(1000);
    await putBlock(service.url, block);
    for (const size of [999, 1001]) {
      expect((await rawGet({ ...block, locator: `${block.hash}+${size}` })).status).toBe(502);
    }
  });

  test.each([
    ['in one chunk', (key: string, data: Uint8Array) => bucket.put(key, data)],
    ['in parts', (key: string, data: Uint8Array) => bucket.putInParts(key, data)],
  ])('a write of the right content heals what was damaged %s', async (_, store) => {
    for (const size of [1000, 6 * MIB]) {
      const block = randomBlock(size);
      await putBlock(service.url, block);
      await store(dataKey(block.hash), changed(block.data, size - 1));
      expect((await rawGet(block, 'HEAD')).status).toBe(502);
      await putBlock(service.url, block);
      const answer = await getBlock(service.url, block);
      expect([answer.status, md5(answer.body)]).toEqual([200, block.hash]);
    }
  });

  function rawGet(block: TestBlock, method = 'GET'): Promise<RawAnswer> {
    const headers = { authorization: `Bearer ${service.rootToken}` };
    return rawRequest(service.url, { method, path: `/${sign(block.locator)}`, headers });
  }
});

describe('a block with a good copy elsewhere', () => {
  const VOLUMES = { [R2_VOLUME]: r2Volume('BLOCKS'), [R2_ARCHIVE]: r2Volume('ARCHIVE') };

  test('is read from there when the first copy is known to be bad, in whatever order the mounts come, and the bad one is replaced', async () => {
    // A second mount that is asked because the first is slow would find the good copy without meeting the bad one.
    const vars = { VOLUMES, EDGE_CACHE: false, HEDGED_READS: false };
    await using service = await startService({ r2: ['ARCHIVE'], vars });
    // The order differs from block to block: some of these have the damaged mount first.
    const blocks = Array.from({ length: 12 }, (_, index) => blockOf(`mirrored ${index}`));
    for (const [index, block] of blocks.entries()) {
      const damaged = index % 2 === 0 ? 'BLOCKS' : 'ARCHIVE';
      const sound = index % 2 === 0 ? 'ARCHIVE' : 'BLOCKS';
      await service.r2(sound).put(dataKey(block.hash), block.data);
      await service.r2(damaged).put(dataKey(block.hash), changed(block.data, 3));
      const requestId = `req-reader-${index}`;
      const answer = await getBlock(service.url, block, { 'X-Request-Id': requestId });
      expect([answer.status, md5(answer.body)]).toEqual([200, block.hash]);
      const head = await request(`${service.url}/${sign(block.locator)}`, { method: 'HEAD' });
      expect(head.status).toBe(200);
      const mounts = [R2_VOLUME, R2_ARCHIVE].map((uuid) => ({ uuid, priority: 0 }));
      const isMet = (mountOrder(block.hash, mounts)[0]?.uuid === R2_VOLUME) === (damaged === 'BLOCKS');
      // The read's id is that of the repair, too.
      if (isMet)
        await service.waitForLog(
          ({ msg, locator, RequestID }) =>
            msg === 'bad copy replaced' && locator === block.hash && RequestID === requestId,
        );
      await service.r2(sound).delete(dataKey(block.hash));
      expect((await getBlock(service.url, block)).status).toBe(isMet ? 200 : 502);
      await service.r2(damaged).delete(dataKey(block.hash));
      expect((await getBlock(service.url, block)).status).toBe(404);
    }
    const { text } = await request(`${service.url}/metrics`, { token: service.managementToken });
    await service.allLogged();
    const repaired = /^keep_edge_repair_queue_entries_total\{result="done",reason="repaired"\} (\d+)$/m.exec(text)?.[1];
    expect(Number(repaired)).toBe(
      service.logs.filter((line) => JSON.stringify(line).includes('bad copy replaced')).length,
    );
    expect(Number(repaired)).toBeGreaterThan(0);
  });
});

function changed(data: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(data);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** No store takes a multipart upload without a byte in it. */
function nonEmpty(data: Uint8Array): Uint8Array {
  return data.length === 0 ? new Uint8Array(1) : data;
}
