import { env } from 'cloudflare:workers';
import { AwsClient } from 'aws4fetch';
import { describe, expect, test } from 'vitest';
import { NO_CACHE } from '../../../src/blocks/edge-cache.ts';
import { readBlock, readBlockRange } from '../../../src/blocks/read-block.ts';
import { createAdoptedBlocks } from '../../../src/gateways/adopted-blocks.ts';
import type { GatewayBucket } from '../../../src/gateways/bucket.ts';
import type { GatewayConfig } from '../../../src/gateways/gateway-config.ts';
import { allGatewaysMount } from '../../../src/gateways/gateway-mount.ts';
import { createPlaceMap, type PlaceShardHandle } from '../../../src/gateways/place-map.ts';
import { createR2GatewayBucket } from '../../../src/gateways/r2-bucket.ts';
import { createS3GatewayBucket } from '../../../src/gateways/s3-bucket.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import { hexOf } from '../../../src/streams/md5-stream.ts';

/**
 * Objects are overwritten, truncated, deleted and replaced by others of the same size while readers run: every answer is the
 * bytes that were adopted, or an error.
 */
const bindings = env as unknown as {
  ARCHIVE: R2Bucket;
  PLACES: DurableObjectNamespace;
  S3_ENDPOINT: string;
  S3_REGION: string;
  S3_ACCESS_KEY_ID: string;
  S3_SECRET_ACCESS_KEY: string;
  CI: boolean;
  GATEWAY_CHANGES: string;
};
/** In each bucket: GATEWAY_CHANGES, 1000 for a run by hand. */
const CHANGES = Number(bindings.GATEWAY_CHANGES);
const OBJECTS = 8;
const READERS = 4;
const UUID = 'xedge-bi6l4-lake00000000000';

interface Subject {
  name: string;
  open(): Promise<{
    bucket: GatewayBucket;
    put(key: string, body: Uint8Array): Promise<void>;
    remove(key: string): Promise<void>;
  }>;
}

const r2: Subject = {
  name: 'R2',
  open: async () => ({
    bucket: createR2GatewayBucket(bindings.ARCHIVE),
    put: async (key, body) => void (await bindings.ARCHIVE.put(key, body)),
    remove: (key) => bindings.ARCHIVE.delete(key),
  }),
};

const s3: Subject = {
  name: 'a real S3 server',
  async open() {
    const { S3_ENDPOINT: endpoint, S3_REGION: region } = bindings;
    const keys = { accessKeyId: bindings.S3_ACCESS_KEY_ID, secretAccessKey: bindings.S3_SECRET_ACCESS_KEY };
    const client = new AwsClient({ ...keys, region, service: 's3' });
    const bucket = `lake-${crypto.randomUUID().slice(0, 13)}`;
    const call = async (method: string, key: string, body?: Uint8Array) => {
      const init = { method, ...(body === undefined ? {} : { body: body as BodyInit }) };
      const answer = await client.fetch(`${endpoint}/${bucket}${key}`, init);
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`${method} ${key}: ${answer.status}`);
    };
    await call('PUT', '');
    return {
      bucket: createS3GatewayBucket({ kind: 'S3', endpoint, region, bucket, usePathStyle: true, ...keys }, true),
      put: (key, body) => call('PUT', `/${key}`, body),
      remove: (key) => call('DELETE', `/${key}`),
    };
  },
};

describe.each(bindings.S3_ENDPOINT !== '' || bindings.CI ? [r2, s3] : [r2])('in a bucket on $name', ({ open }) => {
  test(`${CHANGES} changed objects never become a complete wrong answer`, { timeout: 600_000 }, async () => {
    const { bucket, put, remove } = await open();
    const started = Date.now();
    const map = createPlaceMap(
      (shard) => bindings.PLACES.getByName(`changes ${started} ${shard}`) as unknown as PlaceShardHandle,
      Date.now,
    );
    const config: GatewayConfig = {
      uuid: UUID,
      name: 'lake',
      driver: { kind: 'R2', binding: 'ARCHIVE', endpoint: '', bucket: '' },
      prefix: '',
      storageClass: 'default',
      replication: 1,
      adoptableBy: [],
      etagIsMd5: true,
      verifyReads: 'attested',
    };
    const pending: Promise<unknown>[] = [];
    const adopted = createAdoptedBlocks({ map, gateways: [{ config, bucket }], later: (work) => pending.push(work) });
    const source = {
      mounts: [],
      last: [allGatewaysMount(adopted, map)],
      cache: NO_CACHE,
      verifyReads: 'attested',
    } as const;
    const objects = await Promise.all(
      Array.from({ length: OBJECTS }, async (_, i) => {
        const key = `changing/${i}`;
        const body = randomBytes(20_000 + i * 30_000);
        await put(key, body);
        const { etag = '' } = (await bucket.stat(key)) ?? {};
        const hash = hexOf(await crypto.subtle.digest('MD5', body));
        const place = { gateway: UUID, key, start: 0, length: body.length, etag, objectSize: body.length };
        await map.add([{ ...place, hash }]);
        return { key, body, hash };
      }),
    );
    const seen = { right: 0, refused: 0, broken: 0 };
    const wrong: string[] = [];
    let isOver = false;

    const readOne = async () => {
      const { body, hash } = pick(objects);
      const size = body.length;
      const offset = Math.floor(Math.random() * size);
      const isWhole = Math.random() < 0.5;
      const range = isWhole
        ? { offset: 0, length: size }
        : { offset, length: 1 + Math.floor(Math.random() * (size - offset)) };
      try {
        const read = isWhole
          ? await readBlock({ ...source, mounts: [] }, hash, { size })
          : await readBlockRange({ ...source, mounts: [] }, hash, range, { size });
        let bytes: Uint8Array;
        try {
          bytes = new Uint8Array(await new Response(read.body).arrayBuffer());
        } catch {
          seen.broken++;
          return;
        }
        const expected = body.subarray(range.offset, range.offset + range.length);
        // Too short is what a client sees as broken off: the length was announced.
        if (bytes.length < expected.length && isSame(bytes, expected.subarray(0, bytes.length))) seen.broken++;
        else if (!isSame(bytes, expected)) wrong.push(`${hash} ${range.offset}+${range.length}: ${bytes.length} bytes`);
        else seen.right++;
      } catch (error) {
        if (!isKeepError(error)) throw error;
        expect(['bad_gateway', 'unavailable']).toContain(error.code);
        seen.refused++;
      }
    };
    const reader = async () => {
      while (!isOver) await readOne();
    };
    const writer = async () => {
      for (let i = 0; i < CHANGES; i++) {
        const { key, body } = pick(objects);
        const kind = i % 5;
        if (kind === 0) await put(key, randomBytes(body.length));
        else if (kind === 1) await put(key, body.slice(0, Math.floor(body.length / 2)));
        else if (kind === 2) await remove(key);
        else if (kind === 3) await put(key, randomBytes(body.length + 1));
        // Back to what it was, so that there is something to read.
        await put(key, body);
      }
      isOver = true;
    };
    await Promise.all([writer(), ...Array.from({ length: READERS }, reader)]);
    await Promise.allSettled(pending);
    expect(wrong).toEqual([]);
    expect(seen.right).toBeGreaterThan(50);
    expect(seen.refused).toBeGreaterThan(10);
    // Everything is back as it was.
    for (const { hash, body } of objects) {
      const read = await readBlock({ ...source, mounts: [] }, hash, { size: body.length });
      expect(isSame(new Uint8Array(await new Response(read.body).arrayBuffer()), body)).toBe(true);
    }
  });
});

function pick<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)] as Item;
}

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
