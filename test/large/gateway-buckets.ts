import { createHash, randomFillSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { AwsClient } from 'aws4fetch';
import { eachOf } from '../support/keep.ts';
import type { S3Bucket } from '../support/s3.ts';

/** The buckets of test/large/gateways.ts: filled with objects of all shapes, and asked whether anything was written to them. */

const MIB = 1 << 20;
const PART_BYTES = 16 * MIB;
const SMALL_BYTES = 20_000;
const LANES = 8;
/** Until the server has written its log. */
const LOG_MS = 3000;
const ODD = [
  'with space',
  'ünï ✓',
  'new\nline',
  'back\\slash',
  'co:lon',
  'quote\'"&<>',
  '%41',
  'a+b',
  '日本',
  '-dash',
  '#hash?',
];
/** Around the limits: a block, and an ETag that is an MD5 of something that is no block. */
const SIZES: Record<string, number> = {
  'limits/one block': 64 * MIB,
  'limits/one byte more': 64 * MIB + 1,
  'limits/one byte less': 64 * MIB - 1,
  'limits/two blocks': 128 * MIB,
};

/** MD5 of every file by the path that it has in the collection. */
export type Expected = Map<string, string>;

export interface FilledBucket {
  name: string;
  expected: Expected;
  bytes: number;
}

/** What a test's own hands do in a bucket. */
interface Hands {
  put(key: string, body: Uint8Array): Promise<void>;
  putInParts(key: string, body: Uint8Array, partBytes?: number): Promise<void>;
  /** Parts of 16 MiB that are made as they are sent: what is larger than memory. */
  putGenerated(key: string, parts: Iterable<Uint8Array>): Promise<void>;
}

export function handsOfS3(bucket: S3Bucket): Hands {
  const { server, name } = bucket;
  const client = new AwsClient({ ...server, service: 's3', retries: 2 });
  const send = async (method: string, path: string, body?: BodyInit) => {
    const answer = await client.fetch(`${server.endpoint}/${name}/${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  return {
    put: bucket.put,
    putInParts: bucket.putInParts,
    async putGenerated(key, parts) {
      const started = await (await send('POST', `${key}?uploads=`)).text();
      const id = encodeURIComponent(/<UploadId>([^<]+)</.exec(started)?.[1] ?? '');
      let list = '';
      let number = 0;
      for (const part of parts) {
        number++;
        const answer = await send('PUT', `${key}?partNumber=${number}&uploadId=${id}`, part as BodyInit);
        list += `<Part><PartNumber>${number}</PartNumber><ETag>${answer.headers.get('etag')}</ETag></Part>`;
      }
      await send('POST', `${key}?uploadId=${id}`, `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`);
    },
  };
}

/** @param largestMib size of the largest object, which is put in parts */
export async function fill(name: string, hands: Hands, objects: number, largestMib: number): Promise<FilledBucket> {
  const expected: Expected = new Map();
  let bytes = 0;
  const isOver = (path: string, hash: string, size: number) => {
    expected.set(path, hash);
    bytes += size;
  };
  for (const [i, [path, size]] of Object.entries(SIZES).entries()) {
    const body = randomFillSync(new Uint8Array(Math.min(size, largestMib * MIB)));
    await (i % 2 === 0 ? hands.put(`all/${path}`, body) : hands.putInParts(`all/${path}`, body, PART_BYTES));
    isOver(path, md5(body), body.length);
  }
  const digest = createHash('md5');
  const largest = hands.putGenerated('all/largest', generated(largestMib * MIB, digest));
  const rest = objects - Object.keys(SIZES).length - 1;
  await eachOf(Array.from({ length: rest }, (_, i) => i).values(), LANES, async (i) => {
    const body = randomFillSync(new Uint8Array(sizeOf(i)));
    const { key, path } = nameOf(i);
    const isInParts = i % 7 === 0 && body.length > 0;
    await (isInParts ? hands.putInParts(`all/${key}`, body, 5 * MIB) : hands.put(`all/${key}`, body));
    isOver(path, md5(body), body.length);
  });
  await largest;
  isOver('largest', digest.digest('hex'), largestMib * MIB);
  return { name, expected, bytes };
}

/** Some keys are no paths: two slashes, and a slash at the end of an object that holds something. */
function nameOf(i: number): { key: string; path: string } {
  const directory = `${ODD[i % ODD.length]}/${i % 100}`;
  if (i % 501 === 1) return { key: `${directory}//${i}`, path: `${directory}/%2F/${i}` };
  if (i % 503 === 1) return { key: `${directory}/${i}/`, path: `${directory}/${i}/%2F` };
  if (i % 509 === 1) return { key: longName(i), path: longName(i) };
  const path = `${directory}/${i}`;
  return { key: path, path };
}

/** With `all/` 1,024 bytes, the longest that a key may be. */
function longName(i: number): string {
  const names = Array.from({ length: 4 }, (_, n) => `${i}-${n}-`.padEnd(254, 'x'));
  return names.join('/').slice(0, 1020);
}

/** Mostly small ones, as in most buckets. */
function sizeOf(i: number): number {
  // A key with a slash at its end stands for a directory when it holds nothing.
  if (i % 50 === 0 && i % 503 !== 1) return 0;
  if (i % 997 === 0) return 20 * MIB + i;
  return 1 + ((i * 7919) % SMALL_BYTES);
}

/** Random bytes that are not held: one part, again and again with another beginning. */
function* generated(bytes: number, digest: ReturnType<typeof createHash>): Generator<Uint8Array> {
  const part = randomFillSync(new Uint8Array(PART_BYTES));
  for (let at = 0, number = 1; at < bytes; at += PART_BYTES, number++) {
    new DataView(part.buffer).setUint32(0, number);
    const body = part.slice(0, Math.min(PART_BYTES, bytes - at));
    digest.update(body);
    yield body;
  }
}

/** Requests to one bucket that are no reads, in the log of the S3 server: Ceph's RGW writes a line for each. */
export async function loggedWrites(bucket: string): Promise<string> {
  await setTimeout(LOG_MS);
  const log = await readFile(join(process.env.S3_STATE_DIR ?? '', 'log/client.rgw.log'), 'utf8');
  const methods = [...log.matchAll(new RegExp(`"([A-Z]+) /${bucket}[/? ]`, 'g'))].map(([, method = '']) => method);
  const writes = methods.filter((method) => method !== 'GET' && method !== 'HEAD');
  if (writes.length === 0) throw new Error('the log shows not even how the bucket was filled');
  return `${writes.length} writes`;
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
