import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { getBlock, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { indexOf, putTrash, waitForList } from '../support/queues.ts';
import { startService, type TestService } from '../support/service.ts';

/** The cron trigger empties trash. TTL and lifetime are seconds here. */

async function trashAll(service: TestService, blocks: TestBlock[]): Promise<void> {
  const times = await indexOf(service);
  await putTrash(
    service,
    blocks.map(({ locator }) => ({ locator, mtime: times.get(locator) ?? 0n })),
  );
  expect((await waitForList(service, 'trash')).done).toEqual({ trashed: blocks.length });
}

const report = (service: TestService) =>
  service.waitForLog(({ msg }) => typeof msg === 'string' && msg.startsWith('trash of r2://xedge-nyw5e-'));

test('what has been in trash longer than its lifetime is deleted, the rest can still come back', async () => {
  await using service = await startService({
    vars: { BLOB_SIGNING_TTL: '1s', BLOB_TRASH_LIFETIME: '6s', BLOB_TRASH_CHECK_INTERVAL: '1s', EDGE_CACHE: false },
  });
  const [old, young, untrashed, live] = [100, 200, 300, 400].map(randomBlock) as [
    TestBlock,
    TestBlock,
    TestBlock,
    TestBlock,
  ];
  for (const block of [old, young, untrashed, live]) await putBlock(service.url, block);
  await setTimeout(2_050);
  await trashAll(service, [old, untrashed]);
  expect((await request(`${service.url}/untrash/${untrashed.hash}`, { method: 'PUT' })).status).toBe(200);
  await setTimeout(7_050);
  await trashAll(service, [young]);
  await service.scheduled();
  // untrashed left a copy in trash that is younger than its last use: it stays, and the block counts as used anew.
  expect(await report(service)).toMatchObject({
    level: 'info',
    deletedBytes: 100,
    deletedBlocks: 1,
    remainingBytes: 500,
    remainingBlocks: 2,
  });
  const untrash = ({ hash }: TestBlock) => request(`${service.url}/untrash/${hash}`, { method: 'PUT' });
  expect((await untrash(old)).status).toBe(404);
  expect((await untrash(young)).status).toBe(200);
  for (const block of [young, untrashed, live]) {
    const { status } = await request(`${service.url}/${sign(block.locator, { ttlSeconds: 1 })}`);
    expect(status).toBe(200);
  }
});

test('nothing is deleted before the interval has passed, nor while BLOB_TRASH is false', async () => {
  await using service = await startService({
    vars: { BLOB_SIGNING_TTL: '1s', BLOB_TRASH_LIFETIME: '1s', BLOB_TRASH_CHECK_INTERVAL: '1h', EDGE_CACHE: false },
  });
  const block = randomBlock(100);
  await putBlock(service.url, block);
  await service.scheduled();
  expect(await report(service)).toMatchObject({ deletedBlocks: 0, remainingBlocks: 0 });
  await setTimeout(2_050);
  await trashAll(service, [block]);
  await setTimeout(2_050);
  await service.scheduled();
  expect(await service.r2('BLOCKS').list('trash/')).toHaveLength(1);
  await service.restart({ BLOB_TRASH_CHECK_INTERVAL: '1s', BLOB_TRASH: false });
  await service.scheduled();
  expect(await service.r2('BLOCKS').list('trash/')).toHaveLength(1);
  await service.restart({ BLOB_TRASH: true });
  await service.scheduled();
  expect(await service.r2('BLOCKS').list('trash/')).toEqual([]);
  expect((await getBlock(service.url, block)).status).not.toBe(200);
});
