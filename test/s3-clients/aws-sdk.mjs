// The AWS SDK for JavaScript with lib-storage. Argument: the bucket. Leaves one object, `kept`.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

const Bucket = process.argv[2];
const s3 = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL, forcePathStyle: true, maxAttempts: 1 });
const read = async (Key, Range) =>
  Buffer.from(await (await s3.send(new GetObjectCommand({ Bucket, Key, Range }))).Body.transformToByteArray());

await s3.send(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'kept', Metadata: { k: 'v' } }));
assert.equal(String(await read('kept')), 'kept');
assert.equal((await s3.send(new HeadObjectCommand({ Bucket, Key: 'kept' }))).Metadata.k, 'v');
// A stream goes in chunks with a checksum behind them.
const streamed = randomBytes(300_000);
await s3.send(
  new PutObjectCommand({ Bucket, Key: 'd i/s+é', Body: Readable.from([streamed]), ContentLength: streamed.length }),
);
assert.ok(streamed.equals(await read('d i/s+é')));
const large = randomBytes(12 * 1024 * 1024 + 12345);
await new Upload({ client: s3, params: { Bucket, Key: 'large', Body: Readable.from(pieces(large)) } }).done();
assert.ok(large.equals(await read('large')));
assert.ok(large.subarray(100, 200).equals(await read('large', 'bytes=100-199')));
await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/large` }));
assert.ok(large.equals(await read('copy')));
const listed = await s3.send(new ListObjectsV2Command({ Bucket }));
assert.deepEqual(
  listed.Contents.map(({ Key }) => Key),
  ['copy', 'd i/s+é', 'kept', 'large'],
);
const Objects = ['copy', 'd i/s+é', 'large'].map((Key) => ({ Key }));
await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));

function* pieces(bytes) {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}
