import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { cliFor } from '../support/cli.ts';
import { createProject, S3_GATEWAY, s3Gateway } from '../support/gateways.ts';
import { eachOf } from '../support/keep.ts';
import { createS3Bucket, type S3Bucket, s3Secrets } from '../support/s3.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { startService } from '../support/service.ts';

/**
 * `test/support/s3/with-s3 --auto -- node test/large/gateways.ts [OBJECTS] [LARGEST_MIB]`: a bucket of 10,000 objects from 0 bytes to
 * 5 GiB, single and in parts, with odd names, is adopted, read back by `keep-edge get`, and compared. Nothing may be written to it.
 */
const MIB = 1 << 20;
const [objects = 10_000, largestMib = 5120] = process.argv.slice(2).map(Number);
const PART_BYTES = 16 * MIB;
const ODD = ['with space', 'ünï ✓', 'new\nline', 'back\\slash', 'co:lon', 'quote\'"&<>', '%41', 'a+b'];

const bucket = await createS3Bucket();
const proxy = await startS3Proxy(bucket.server);
const edge = await startService({
  vars: {
    ...s3Secrets(bucket),
    EDGE_CACHE: 'off',
    GATEWAYS: { [S3_GATEWAY]: s3Gateway(proxy.through(bucket), 'ceph') },
  },
});
const cli = await cliFor(edge, 'adopter');
cli.env.ARVADOS_API_TOKEN = edge.rootToken;
const home = await mkdtemp(join(tmpdir(), 'keep-edge-gateways-'));
try {
  const expected = new Map<string, string>();
  console.log(`filling ${bucket.name} with ${objects} objects, the largest of ${largestMib} MiB`);
  await eachOf(Array.from({ length: objects - 1 }, (_, i) => i).values(), 8, async (i) => {
    const size = sizeOf(i);
    const body = randomFillSync(new Uint8Array(size));
    const name = `${ODD[i % ODD.length]}/${i % 100}/${i}`;
    expected.set(name, md5(body));
    if (i % 7 === 0 && size > 0) await bucket.putInParts(`all/${name}`, body, 5 * MIB);
    else await bucket.put(`all/${name}`, body);
  });
  expected.set('largest', await putLargest(bucket, 'all/largest', largestMib * MIB));
  const before = await bucket.list();
  proxy.seen.length = 0;
  const project = await createProject(edge, 'large');
  const started = performance.now();
  const uuid = await cli.ok('adopt', `s3://${bucket.name}/all`, '--into', project);
  console.log(`adopted in ${seconds(started)} s, ${proxy.seen.length} requests to the bucket`);
  const again = performance.now();
  await cli.ok('adopt', `s3://${bucket.name}/all`, '--into', project);
  console.log(`adopted again, nothing changed, in ${seconds(again)} s`);
  const reading = performance.now();
  await cli.ok('get', uuid, join(home, 'copy'));
  console.log(`read back in ${seconds(reading)} s`);
  for (const [name, hash] of expected) {
    const found = await md5OfFile(join(home, 'copy', name));
    if (found !== hash) throw new Error(`${JSON.stringify(name)} has other bytes`);
  }
  const methods = new Set(proxy.seen.map(({ method }) => method));
  const after = await bucket.list();
  if ([...methods].some((method) => method !== 'GET' && method !== 'HEAD')) throw new Error(`wrote: ${[...methods]}`);
  if (after.length !== before.length) throw new Error('the bucket holds other objects than before');
  console.log(
    `${expected.size} objects are the same bytes; methods that reached the bucket: ${[...methods].join(', ')}`,
  );
} finally {
  await edge.stop();
  await proxy[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
  await setTimeout(0);
}

/** Mostly small ones, as in most buckets. */
function sizeOf(i: number): number {
  if (i % 50 === 0) return 0;
  if (i % 997 === 0) return 20 * MIB + i;
  return 1 + ((i * 7919) % 20_000);
}

/** Random bytes that are not held: one part, again and again with another beginning. */
async function putLargest({ server, name }: S3Bucket, key: string, bytes: number): Promise<string> {
  const { AwsClient } = await import('aws4fetch');
  const client = new AwsClient({ ...server, service: 's3', retries: 2 });
  const url = `${server.endpoint}/${name}/${key}`;
  const started = await (await client.fetch(`${url}?uploads=`, { method: 'POST' })).text();
  const id = /<UploadId>([^<]+)</.exec(started)?.[1] ?? '';
  const part = randomFillSync(new Uint8Array(PART_BYTES));
  const digest = createHash('md5');
  let parts = '';
  for (let at = 0, number = 1; at < bytes; at += PART_BYTES, number++) {
    new DataView(part.buffer).setUint32(0, number);
    const body = part.subarray(0, Math.min(PART_BYTES, bytes - at));
    digest.update(body);
    const answer = await client.fetch(`${url}?partNumber=${number}&uploadId=${encodeURIComponent(id)}`, {
      method: 'PUT',
      body,
    });
    if (!answer.ok) throw new Error(`part ${number}: ${answer.status}`);
    parts += `<Part><PartNumber>${number}</PartNumber><ETag>${answer.headers.get('etag')}</ETag></Part>`;
  }
  const done = await client.fetch(`${url}?uploadId=${encodeURIComponent(id)}`, {
    method: 'POST',
    body: `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`,
  });
  if (!done.ok) throw new Error(`the upload was not completed: ${done.status}`);
  return digest.digest('hex');
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

async function md5OfFile(path: string): Promise<string> {
  const digest = createHash('md5');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

function seconds(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1);
}
