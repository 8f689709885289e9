import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { md5, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { indexOf, putTrash, waitForList } from '../support/queues.ts';
import { createS3Bucket, s3IsRequired, s3Secrets, s3Server, s3Volume } from '../support/s3.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { startService, type TestService } from '../support/service.ts';
import { S3_VOLUME } from '../support/volumes.ts';

/** An S3 server whose listings tell of an earlier time, as some did for years: single objects are asked for truly. */
const TTL_MS = 1000;
const LIFETIME_MS = 6000;

const isWhole = async ({ url }: TestService, { locator, hash }: TestBlock) => {
  const answer = await request(`${url}/${sign(locator, { ttlSeconds: TTL_MS / 1000 })}`);
  return answer.status === 200 && md5(answer.body) === hash;
};
const ask = async ({ url }: TestService, method: string, path: string, headers = {}) =>
  (await request(`${url}/${path}`, { method, headers })).status;
const trash = (service: TestService, { hash }: TestBlock) => ask(service, 'DELETE', hash);
const untrash = (service: TestService, { hash }: TestBlock) => ask(service, 'PUT', `untrash/${hash}`);
const touch = (service: TestService, { hash }: TestBlock) =>
  ask(service, 'POST', hash, { 'X-HTTP-Method-Override': 'TOUCH' });

describe.runIf(s3IsRequired)('an S3 server that lists late', () => {
  test('costs no block: lists and the emptier believe what they are told of each block, not what was listed', async () => {
    const server = s3Server();
    if (server === null) throw new Error('no S3 server');
    const bucket = await createS3Bucket(server);
    await using proxy = await startS3Proxy(server);
    await using service = await startService({
      vars: {
        ...s3Secrets(bucket),
        VOLUMES: { [S3_VOLUME]: s3Volume(proxy.through(bucket)) },
        EDGE_CACHE: false,
        BLOB_SIGNING_TTL: `${TTL_MS}ms`,
        BLOB_TRASH_LIFETIME: `${LIFETIME_MS}ms`,
        BLOB_TRASH_CHECK_INTERVAL: '1s',
      },
    });
    const [rewritten, trashedAnew, untrashed, touched, gone, fresh] = Array.from({ length: 6 }, () =>
      randomBlock(1000),
    ) as [TestBlock, TestBlock, TestBlock, TestBlock, TestBlock, TestBlock];
    const inTrash = [rewritten, trashedAnew, untrashed];
    for (const block of [...inTrash, touched, gone]) await putBlock(service.url, block);
    await sleep(2 * TTL_MS + 50);
    for (const block of inTrash) expect(await trash(service, block)).toBe(200);
    const trashedAt = Date.now();
    // What is listed from here on is how things are now.
    await service.scheduled();
    const listed = await indexOf(service);
    proxy.listsLate = true;

    for (const block of [rewritten, trashedAnew, fresh]) await putBlock(service.url, block);
    expect(await untrash(service, untrashed)).toBe(200);
    expect(await touch(service, touched)).toBe(200);
    expect(await trash(service, gone)).toBe(200);
    expect((await indexOf(service)).has(fresh.locator)).toBe(false);
    // Old enough to be trashed, and not long before the emptier comes.
    await sleep(4 * TTL_MS);
    expect(await trash(service, trashedAnew)).toBe(200);

    // A list made from the late index, and the emptier, to whom the three seem to have lain in trash for long enough.
    const entries = [touched, gone].map(({ locator }) => ({
      locator,
      mtime: listed.get(locator) ?? 0n,
      mount: S3_VOLUME,
    }));
    await putTrash(service, entries);
    expect(await waitForList(service, 'trash')).toMatchObject({
      skipped: { touched: 1, absent: 1 },
      done: {},
      failed: {},
    });
    await sleep(Math.max(0, trashedAt + LIFETIME_MS + 1100 - Date.now()));
    await service.scheduled();
    for (const block of [rewritten, untrashed, touched, fresh]) expect(await isWhole(service, block)).toBe(true);
    expect(await isWhole(service, trashedAnew)).toBe(false);
    expect(await untrash(service, trashedAnew)).toBe(200);
    expect(await isWhole(service, trashedAnew)).toBe(true);

    proxy.listsLate = false;
    await service.scheduled();
    const names = [...(await indexOf(service)).keys()].sort();
    expect(names).toEqual([rewritten, trashedAnew, untrashed, touched, fresh].map(({ locator }) => locator).sort());
  });
});
