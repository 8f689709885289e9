// The client `webdav` of npm. Argument: the collection's address. Leaves one file, `moved/small.txt`.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { AuthType, createClient } from 'webdav';

const client = createClient(process.argv[2], {
  authType: AuthType.Token,
  token: { token_type: 'Bearer', access_token: process.env.ARVADOS_API_TOKEN },
});
const names = async (path) => (await client.getDirectoryContents(path)).map(({ basename }) => basename).sort();

await client.createDirectory('/d é');
await client.createDirectory('/deep/er', { recursive: true });
assert.equal(await client.putFileContents('/d é/small.txt', 'first'), true);
assert.equal(await client.putFileContents('/d é/small.txt', 'other', { overwrite: false }), false);
assert.equal(await client.getFileContents('/d é/small.txt', { format: 'text' }), 'first');
assert.equal(await client.putFileContents('/d é/small.txt', 'second'), true);
assert.equal(await client.getFileContents('/d é/small.txt', { format: 'text' }), 'second');

const large = randomBytes(3_000_000);
await client.putFileContents('/large', large);
assert.ok(large.equals(Buffer.from(await client.getFileContents('/large'))));
const part = await buffer(client.createReadStream('/large', { range: { start: 1000, end: 1999 } }));
assert.ok(part.equals(large.subarray(1000, 2000)));
const { size, etag, type } = await client.stat('/large');
assert.deepEqual([size, typeof etag, type], [large.length, 'string', 'file']);

await client.copyFile('/large', '/copy');
await client.moveFile('/d é', '/moved');
assert.deepEqual(await names('/'), ['copy', 'deep', 'large', 'moved']);
assert.deepEqual(await names('/moved'), ['small.txt']);
assert.equal(await client.exists('/d é'), false);

const lock = await client.lock('/large');
await assert.rejects(client.putFileContents('/large', 'x'), ({ status }) => status === 423);
await client.unlock('/large', lock.token);
for (const path of ['/large', '/copy', '/deep']) await client.deleteFile(path);
assert.deepEqual(await names('/'), ['moved']);
