// minio for JavaScript. Argument: the bucket. Leaves one object, `kept`.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { Client, CopyConditions } from 'minio';

const bucket = process.argv[2];
const { hostname, port, protocol } = new URL(process.env.AWS_ENDPOINT_URL);
const minio = new Client({
  endPoint: hostname,
  port: Number(port),
  useSSL: protocol === 'https:',
  accessKey: process.env.AWS_ACCESS_KEY_ID,
  secretKey: process.env.AWS_SECRET_ACCESS_KEY,
  partSize: 5 * 1024 * 1024,
});
const read = async (key) => buffer(await minio.getObject(bucket, key));

await minio.putObject(bucket, 'kept', 'kept', 4, { 'X-Amz-Meta-K': 'v' });
assert.equal(String(await read('kept')), 'kept');
assert.equal((await minio.statObject(bucket, 'kept')).metaData.k, 'v');
const large = randomBytes(12 * 1024 * 1024 + 12345);
await minio.putObject(bucket, 'd i/l+é', large, large.length);
assert.ok(large.equals(await read('d i/l+é')));
await minio.copyObject(bucket, 'copy', `/${bucket}/kept`, new CopyConditions());
assert.equal(String(await read('copy')), 'kept');
const names = [];
for await (const { name } of minio.listObjectsV2(bucket, '', true)) names.push(name);
assert.deepEqual(names, ['copy', 'd i/l+é', 'kept']);
const link = await minio.presignedGetObject(bucket, 'copy');
assert.equal(await (await fetch(link)).text(), 'kept');
await minio.removeObjects(bucket, ['copy', 'd i/l+é']);
