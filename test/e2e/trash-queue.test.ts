import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blockOf, eachOf, putBlock, randomBlock, request, sign, type TestBlock } from '../support/keep.ts';
import { indexOf, listStatus, MOUNT, putTrash, waitForList } from '../support/queues.ts';
import { startService, type TestService } from '../support/service.ts';
import { r2Volume } from '../support/volumes.ts';

/** Trash lists worked off on R2. Blocks are older than the signature TTL after a second. */

const READ_ONLY = 'xedge-nyw5e-00000readonly00';
const SECOND = 1_000_000_000n;
const VARS = {
  BLOB_SIGNING_TTL: '1s',
  EDGE_CACHE: false,
  VOLUMES: {
    [MOUNT]: { Driver: 'R2', DriverParameters: { Binding: 'BLOCKS', PrefixLength: 3 } },
    [READ_ONLY]: { Driver: 'R2', ReadOnly: true, DriverParameters: { Binding: 'ARCHIVE' } },
  },
};

/** Stores blocks and waits until they are older than the TTL; returns their listed times. */
async function storeOld(service: TestService, blocks: TestBlock[]): Promise<Map<string, bigint>> {
  await eachOf(blocks, 8, async (block) => void (await putBlock(service.url, block)));
  await setTimeout(2_050);
  return indexOf(service);
}

describe('a trash list', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ vars: VARS, r2: ['ARCHIVE'] });
  });
  afterAll(() => service?.stop());

  test('moves to trash what is exactly as old as listed, and nothing else', async () => {
    const [listed, early, late, touched, rewritten, kept] = Array.from({ length: 6 }, () => randomBlock(100)) as [
      TestBlock,
      TestBlock,
      TestBlock,
      TestBlock,
      TestBlock,
      TestBlock,
    ];
    const times = await storeOld(service, [listed, early, late, touched, rewritten, kept]);
    const timeOf = ({ locator }: TestBlock) => times.get(locator) ?? 0n;
    const touch = { method: 'POST', headers: { 'X-HTTP-Method-Override': 'TOUCH' } };
    expect((await request(`${service.url}/${touched.hash}`, touch)).status).toBe(200);
    await putBlock(service.url, rewritten);
    await putTrash(service, [
      { locator: listed.locator, mtime: timeOf(listed) },
      { locator: early.locator, mtime: timeOf(early) - 1n },
      { locator: late.locator, mtime: timeOf(late) + 1n },
      { locator: touched.locator, mtime: timeOf(touched) },
      { locator: rewritten.locator, mtime: timeOf(rewritten) },
      { locator: randomBlock(10).locator, mtime: timeOf(listed) },
    ]);
    const status = await waitForList(service, 'trash');
    expect(status).toMatchObject({
      done: { trashed: 1 },
      skipped: { touched: 4, absent: 1 },
      failed: {},
      lastErrors: [],
    });
    const left = await indexOf(service);
    expect(left.has(listed.locator)).toBe(false);
    for (const block of [early, late, touched, rewritten, kept]) expect(left.has(block.locator)).toBe(true);
    expect(await service.r2('BLOCKS').list('trash/')).toEqual([`trash/${listed.hash.slice(0, 3)}/${listed.hash}`]);
  });

  test('leaves alone what was listed too young, even if it is old by now', async () => {
    const block = randomBlock(100);
    await storeOld(service, [block]);
    const soon = BigInt(Math.floor(Date.now() / 1000) + 5) * SECOND;
    await putTrash(service, [{ locator: block.locator, mtime: soon }]);
    expect(await waitForList(service, 'trash')).toMatchObject({ skipped: { too_young: 1 }, done: {} });
  });

  test('says which entries cannot be done, and goes on with the others', async () => {
    const block = randomBlock(100);
    const times = await storeOld(service, [block]);
    const mtime = times.get(block.locator) ?? 0n;
    await putTrash(service, [
      { locator: block.locator, mtime, mount: 'xedge-nyw5e-zzzzzzzzzzzzzzz' },
      { locator: block.locator, mtime, mount: READ_ONLY },
      { locator: 'nonsense', mtime },
      { locator: block.locator, mtime },
    ]);
    const status = await waitForList(service, 'trash');
    expect(status).toMatchObject({
      done: { trashed: 1 },
      failed: { unknown_mount: 1, not_allowed: 1, invalid_locator: 1 },
    });
    expect(status.lastErrors.map(({ reason }) => reason).sort()).toEqual([
      'invalid_locator',
      'not_allowed',
      'unknown_mount',
    ]);
    await service.waitForLog(
      ({ msg, reason, level }) => msg === 'trash failed' && reason === 'unknown_mount' && level === 'warn',
    );
  });

  test('without a mount means every mount that may trash', async () => {
    const block = randomBlock(100);
    const times = await storeOld(service, [block]);
    await putTrash(service, [{ locator: block.hash, mtime: times.get(block.locator) ?? 0n, mount: '' }]);
    expect(await waitForList(service, 'trash')).toMatchObject({ done: { trashed: 1 } });
  });

  test('is kept but not worked off while BLOB_TRASH is false, and worked off when it is true again', async () => {
    const block = randomBlock(100);
    const times = await storeOld(service, [block]);
    await service.restart({ BLOB_TRASH: false });
    await putTrash(service, [{ locator: block.locator, mtime: times.get(block.locator) ?? 0n }]);
    await service.scheduled();
    expect(await listStatus(service, 'trash')).toMatchObject({ isWorking: false, pending: 1 });
    expect((await indexOf(service)).has(block.locator)).toBe(true);
    await service.restart({ BLOB_TRASH: true });
    await service.scheduled();
    expect(await waitForList(service, 'trash')).toMatchObject({ done: { trashed: 1 } });
  });
});

describe('with a trash lifetime of 0', () => {
  test('a volume with UnsafeDelete deletes at once, marker and all; another one refuses, and says what to set', async () => {
    await using unsafe = await startService({
      vars: {
        BLOB_SIGNING_TTL: '1s',
        BLOB_TRASH_LIFETIME: '0s',
        EDGE_CACHE: false,
        VOLUMES: {
          [MOUNT]: r2Volume('BLOCKS', {}, { UnsafeDelete: true }),
          [READ_ONLY]: r2Volume('ARCHIVE', {}),
        },
      },
      r2: ['ARCHIVE'],
    });
    const [listed, deleted] = [randomBlock(100), randomBlock(100)];
    const put = (block: TestBlock, copies: number) =>
      request(`${unsafe.url}/${block.hash}`, {
        method: 'PUT',
        body: block.data,
        headers: { 'x-keep-desired-replicas': String(copies) },
      });
    await put(listed, 2);
    await put(deleted, 2);
    await setTimeout(2100);
    const mtime = (await indexOf(unsafe)).get(listed.locator) ?? 0n;
    await putTrash(
      unsafe,
      [MOUNT, READ_ONLY].map((mount) => ({ locator: listed.locator, mtime, mount })),
    );
    const status = await waitForList(unsafe, 'trash');
    expect([status.done, Object.values(status.failed)]).toEqual([{ trashed: 1 }, [1]]);
    expect(status.lastErrors[0]?.message).toContain('set UnsafeDelete on the volume');
    const refused = await request(`${unsafe.url}/${deleted.hash}`, { method: 'DELETE' });
    expect([refused.status, refused.text]).toEqual([500, expect.stringContaining('set UnsafeDelete')]);
    expect(await unsafe.r2('BLOCKS').list()).toEqual([]);
    expect((await unsafe.r2('ARCHIVE').list()).filter((key) => key.startsWith('trash/'))).toEqual([]);
    for (const { locator } of [listed, deleted])
      expect((await request(`${unsafe.url}/${sign(locator, { ttlSeconds: 1 })}`)).status).toBe(200);
    expect((await request(`${unsafe.url}/untrash/${listed.hash}`, { method: 'PUT' })).status).toBe(404);
  });
});

describe('a service killed in the middle of a trash list', () => {
  test('finishes the list after its restart, and does nothing that the list does not say', async () => {
    await using service = await startService({ vars: { ...VARS, BLOB_TRASH_CONCURRENCY: 2 }, r2: ['ARCHIVE'] });
    const listed = Array.from({ length: 60 }, (_, i) => blockOf(`listed ${i}`));
    const others = Array.from({ length: 20 }, (_, i) => blockOf(`not listed ${i}`));
    const times = await storeOld(service, [...listed, ...others]);
    // Blocks that are not there make the list long enough to be caught in the middle.
    const entries = listed.flatMap(({ locator }, i) => [
      { locator, mtime: times.get(locator) ?? 0n },
      ...Array.from({ length: 20 }, (_, j) => ({ locator: blockOf(`absent ${i} ${j}`).locator, mtime: SECOND })),
    ]);
    await putTrash(service, entries);
    const { pending } = await waitForList(service, 'trash', (now) => now.pending < entries.length - 60);
    expect(pending).toBeGreaterThan(0);
    await service.restart();
    await service.scheduled();
    const { done, skipped, failed } = await waitForList(service, 'trash');
    // What had been trashed when the process died, but not been noted, is found absent by the second try.
    expect((done.trashed ?? 0) + (skipped.absent ?? 0)).toBe(entries.length);
    expect(failed).toEqual({});
    expect([...(await indexOf(service)).keys()].sort()).toEqual(others.map(({ locator }) => locator).sort());
    expect(await service.r2('BLOCKS').list('trash/')).toHaveLength(listed.length);
  }, 120_000);
});
