import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { md5, randomBlock } from '../support/keep.ts';
import { rawRequest } from '../support/raw-http.ts';
import { createS3Bucket, s3Test } from '../support/s3.ts';
import { isRunning, startService } from '../support/service.ts';

test('a service started for a test keeps its objects over a kill and leaves no process or state behind', async () => {
  const service = await startService({ r2: ['ARCHIVE'] });
  const firstPid = service.workerdPid;
  await service.r2('ARCHIVE').put('a', new Uint8Array([1, 2, 3]));
  await service.r2('ARCHIVE').putInParts('b', new Uint8Array(6 << 20));
  await service.restart();
  expect(isRunning(firstPid)).toBe(false);
  expect(await service.r2('ARCHIVE').get('a')).toEqual(new Uint8Array([1, 2, 3]));
  expect((await service.r2('ARCHIVE').get('b'))?.length).toBe(6 << 20);
  expect(await service.r2('ARCHIVE').list()).toEqual(['a', 'b']);
  await service.stop();
  expect(isRunning(service.workerdPid)).toBe(false);
  expect(existsSync(service.state)).toBe(false);
});

test('a raw request shows status, headers and whether the body came to its end', async () => {
  await using service = await startService();
  const answer = await rawRequest(service.url, { method: 'TOUCH', path: '/x' });
  expect(answer.status).toBe(501);
});

s3Test('a bucket on the real S3 server takes objects in one chunk and in parts', async () => {
  const bucket = await createS3Bucket();
  const block = randomBlock(6 << 20);
  await bucket.put('one/a b+c', block.data);
  await bucket.putInParts('two', block.data);
  expect((await bucket.get('one/a b+c'))?.etag).toBe(`"${block.hash}"`);
  expect((await bucket.get('two'))?.etag).toMatch(/-2"$/);
  expect(md5((await bucket.get('two'))?.data ?? '')).toBe(block.hash);
  expect(await bucket.list()).toEqual(['one/a b+c', 'two']);
  await bucket.delete('two');
  expect(await bucket.get('two')).toBeNull();
});
