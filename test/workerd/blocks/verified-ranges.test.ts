import { describe, expect, test } from 'vitest';
import type { BlockSource, VerifyReads } from '../../../src/blocks/block-source.ts';
import { createDigestStore } from '../../../src/blocks/digest-store.ts';
import { NO_CACHE } from '../../../src/blocks/edge-cache.ts';
import { createDigester } from '../../../src/blocks/range-digests.ts';
import { readBlockRange } from '../../../src/blocks/read-block.ts';
import { writeBlock } from '../../../src/blocks/write-block.ts';
import { indexBlocks } from '../../../src/storage/bucket-index.ts';
import { DIGESTS, digestsKey } from '../../../src/storage/bucket-layout.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import { sweepDigests } from '../../../src/storage/sweep-digests.ts';
import { heldBudget } from '../../../src/streams/held-budget.ts';
import { bodyOf, bytesOf, flipped, randomBlock, readUntilBroken, type TestBlock } from '../support/bytes.ts';
import { HOUR_SECONDS, putInParts, testMount } from '../support/mounts.ts';
import { soon } from '../support/soon.ts';

const MIB = 2 ** 20;
const SIZE = 5 * MIB + 12_345;
const dataKey = (hash: string) => `${hash.slice(0, 3)}/${hash}`;
const digests = createDigestStore('a key of the service');

/** A mount that counts what is read of it: requests for blocks, for digests, and bytes. */
function counted({ mount }: { mount: Mount }) {
  const reads = { whole: 0, ranges: 0, digests: 0, bytes: 0 };
  const store: Mount['store'] = {
    ...mount.store,
    async get(key, options) {
      const object = await mount.store.get(key, options);
      if (key.startsWith(DIGESTS)) reads.digests++;
      else if (options?.range === undefined) reads.whole++;
      else reads.ranges++;
      reads.bytes += options?.range?.length ?? object?.size ?? 0;
      return object;
    },
  };
  const volume: Mount['volume'] = {
    ...mount.volume,
    read: (hash, options) => store.get(dataKey(hash), options),
  };
  return { reads, mount: { ...mount, store, volume } };
}

const source = (mount: Mount, verifyReads: VerifyReads): BlockSource => ({
  mounts: [mount],
  cache: NO_CACHE,
  verifyReads,
  digests,
});

/** As another isolate would have left them: this one does not know the block. */
async function saveDigests(mount: Mount, { hash, data }: TestBlock): Promise<void> {
  const block = { hash, size: data.length };
  const { writable, finished } = createDigester(block);
  const writer = writable.getWriter();
  await writer.write(data);
  await writer.close();
  await digests.save(mount, block, await finished);
}

async function store(at: ReturnType<typeof testMount>, block: TestBlock): Promise<void> {
  await at.mount.volume.write(block.hash, bodyOf(block.data), { size: block.data.length });
}

describe('a block that is written here', () => {
  const write = (mounts: Mount[], block: TestBlock, body = bodyOf(block.data)) =>
    writeBlock(mounts, { hash: block.hash, size: SIZE, body, desired: mounts.length, storageClasses: [], digests });
  const kept = (mount: Mount, { hash }: TestBlock) => digests.load(mount, { hash, size: SIZE });

  test('has its digests at once, on every mount: the first range costs no more than the others', async () => {
    const places = [testMount(), testMount()];
    const block = await randomBlock(SIZE);
    await write(
      places.map(({ mount }) => mount),
      block,
    );
    for (const at of places) {
      await expect.poll(() => kept(at.mount, block)).not.toBeNull();
      const { mount, reads } = counted(at);
      const range = { offset: 3 * MIB + 5, length: 64 * 1024 };
      const read = await readBlockRange(source(mount, 'always'), block.hash, range, { size: SIZE });
      expect(await bytesOf(read.body)).toEqual(block.data.slice(range.offset, range.offset + range.length));
      expect(reads).toMatchObject({ whole: 0, ranges: 1 });
      expect(reads.bytes).toBeLessThanOrEqual(2 * MIB + 1024);
    }
  });

  test('has none when its body was not the block', async () => {
    const { mount } = testMount();
    const block = await randomBlock(SIZE);
    await expect(write([mount], block, bodyOf(flipped(block.data, 4 * MIB)))).rejects.toMatchObject({
      code: 'body_mismatch',
    });
    expect(await kept(mount, block)).toBeNull();
  });
});

describe('with digests that another isolate left', () => {
  test.each(['always', 'ranges'] as const)('VERIFY_READS = %s reads 2 MiB at most for 64 KiB', async (verifyReads) => {
    const at = testMount();
    const block = await randomBlock(SIZE);
    await store(at, block);
    await saveDigests(at.mount, block);
    const { mount, reads } = counted(at);
    const range = { offset: 2 * MIB - 1000, length: 64 * 1024 };
    const read = await readBlockRange(source(mount, verifyReads), block.hash, range, { size: SIZE });
    expect(read.vouched).toBe('hashed');
    expect(await bytesOf(read.body)).toEqual(block.data.slice(range.offset, range.offset + range.length));
    expect(reads).toMatchObject({ whole: 0, ranges: 1, digests: 1 });
    expect(reads.bytes).toBeLessThan(2 * MIB + 1024);
    await readBlockRange(source(mount, verifyReads), block.hash, range, { size: SIZE }).then(({ body }) =>
      bytesOf(body),
    );
    expect(reads).toMatchObject({ whole: 0, ranges: 2, digests: 1 });
  });

  test('VERIFY_READS = attested asks for nothing but the range, where the store attests the block', async () => {
    const at = testMount();
    const block = await randomBlock(SIZE);
    await store(at, block);
    const { mount, reads } = counted(at);
    const { body } = await readBlockRange(
      source(mount, 'attested'),
      block.hash,
      { offset: 5, length: 10 },
      { size: SIZE },
    );
    expect(await bytesOf(body)).toEqual(block.data.slice(5, 15));
    expect(reads).toEqual({ whole: 0, ranges: 1, digests: 0, bytes: 10 });
  });

  test('ranges of several blocks at once are each their own, to readers that take their time', async () => {
    const at = testMount();
    const blocks = await Promise.all([0, 1, 2].map((more) => randomBlock(SIZE + more)));
    for (const block of blocks) {
      await store(at, block);
      await saveDigests(at.mount, block);
    }
    const wanted = Array.from({ length: 60 }, (_, i) => {
      const length = 1 + Math.floor(Math.random() * MIB);
      const data = blocks[i % blocks.length] as TestBlock;
      // The last bytes of a block too: its last megabyte is not a whole one.
      const offset = i % 5 === 0 ? data.data.length - length : Math.floor(Math.random() * (SIZE - length));
      return { ...data, offset, length };
    });
    const opened = wanted.map(({ hash, data, offset, length }) =>
      readBlockRange(source(at.mount, 'always'), hash, { offset, length }, { size: data.length }),
    );
    for (const [i, { body }] of (await Promise.all(opened)).entries()) {
      const { data, offset, length } = wanted[i] as (typeof wanted)[number];
      expect(await bytesOf(body)).toEqual(data.slice(offset, offset + length));
    }
  });

  test('a flipped bit is never given out, wherever it is and whatever the range', async () => {
    let refused = 0;
    for (let i = 0; i < 60; i++) {
      const at = testMount();
      const block = await randomBlock(3 * MIB + 1 + i * 1000);
      const size = block.data.length;
      await saveDigests(at.mount, block);
      const bit = Math.floor(Math.random() * size);
      await putInParts(at, dataKey(block.hash), flipped(block.data, bit));
      const offset = i % 2 === 0 ? Math.max(0, bit - 30_000) : Math.floor(Math.random() * (size - 1));
      const length = Math.min(1 + Math.floor(Math.random() * 2 * MIB), size - offset);
      const outcome = await readBlockRange(source(at.mount, 'attested'), block.hash, { offset, length }, { size }).then(
        ({ body, done }) => Promise.all([readUntilBroken(body), done?.catch(() => undefined)]).then(([read]) => read),
        (error: unknown) => ({ bytes: 0, error }),
      );
      if (outcome.error !== null) refused++;
      const isUnder = offset <= bit && bit < offset + length;
      if (isUnder) expect([bit, offset, length, outcome.error]).not.toEqual([bit, offset, length, null]);
    }
    expect(refused).toBeGreaterThan(25);
  });
});

test('a block without digests is hashed once, and its digests are kept for others', async () => {
  const at = testMount();
  const block = await randomBlock(SIZE);
  await putInParts(at, dataKey(block.hash), block.data);
  const { mount, reads } = counted(at);
  const range = { offset: 7, length: 100 };
  const { body } = await readBlockRange(source(mount, 'attested'), block.hash, range, { size: SIZE });
  expect(await bytesOf(body)).toEqual(block.data.slice(7, 107));
  expect(reads.whole).toBe(1);
  const kept = await soon(() => digests.load(at.mount, { hash: block.hash, size: SIZE }));
  expect(kept?.byteLength).toBe(6 * 32);
});

test('digests that this service did not make count for nothing', async () => {
  const at = testMount();
  const block = await randomBlock(SIZE);
  const forged = await randomBlock(SIZE);
  await putInParts(at, dataKey(block.hash), forged.data);
  // An intruder in the bucket replaces data and digests alike, under another key, or by those of another block.
  const foreign = createDigestStore('another key');
  const { writable, finished } = createDigester({ hash: block.hash, size: SIZE });
  const writer = writable.getWriter();
  await writer.write(forged.data);
  await writer.close();
  await foreign.save(at.mount, { hash: block.hash, size: SIZE }, await finished);
  const read = () => readBlockRange(source(at.mount, 'always'), block.hash, { offset: 0, length: 10 }, { size: SIZE });
  await expect(read()).rejects.toMatchObject({ code: 'corrupt' });
  await saveDigests(at.mount, forged);
  const own = await at.raw.get(digestsKey(forged.hash, 3));
  await at.raw.put(digestsKey(block.hash, 3), await bytesOf(own!.body), { size: own!.size });
  await expect(read()).rejects.toMatchObject({ code: 'corrupt' });
});

describe('digests and their block', () => {
  test('are not seen by an index of blocks, with and without prefixes', async () => {
    for (const prefixLength of [0, 3]) {
      const at = testMount({ prefixLength });
      const block = await randomBlock(2 * MIB);
      await store(at, block);
      await saveDigests(at.mount, block);
      const listed: string[] = [];
      for await (const page of indexBlocks(at.raw, prefixLength, '')) listed.push(...page.map(({ hash }) => hash));
      expect(listed).toEqual([block.hash]);
    }
  });

  test('go to the trash together', async () => {
    const at = testMount({ clock: () => Date.now() + 3 * HOUR_SECONDS * 1000 });
    const block = await randomBlock(2 * MIB);
    await store(at, block);
    await saveDigests(at.mount, block);
    expect(await at.mount.volume.trash(block.hash)).toBe('trashed');
    expect(await at.raw.head(digestsKey(block.hash, 3))).toBeNull();
  });

  test('are swept when the block has gone another way, and stay with those that are there', async () => {
    const at = testMount();
    const blocks = await Promise.all(Array.from({ length: 30 }, () => randomBlock(MIB + 1)));
    for (const block of blocks) {
      await store(at, block);
      await saveDigests(at.mount, block);
    }
    const gone = blocks.filter((_, i) => i % 3 === 0);
    await at.raw.delete(gone.map(({ hash }) => dataKey(hash)));
    const options = { prefixLength: 3, after: '', concurrency: 4, isTimeUp: () => false };
    expect(await sweepDigests(at.raw, options)).toBeNull();
    for (const { hash } of blocks) {
      const isGone = gone.some((block) => block.hash === hash);
      expect((await at.raw.head(digestsKey(hash, 3))) === null).toBe(isGone);
    }
  });
});

describe('memory in which megabytes are checked', () => {
  const free = () => heldBudget.reserve().available();
  const settled = async (bytes: number) => expect.poll(free).toBe(bytes);

  test('is counted as long as a long range is read, and while shorter ones are checked', async () => {
    const at = testMount();
    const block = await randomBlock(6 * 2 ** 20);
    await at.mount.volume.write(block.hash, bodyOf(block.data), { size: block.data.length });
    const blocks: BlockSource = { mounts: [at.mount], cache: NO_CACHE, verifyReads: 'always' };
    const read = (offset: number, length: number) =>
      readBlockRange(blocks, block.hash, { offset, length }, { size: block.data.length });
    const all = free();
    const short = await read(5, 2 ** 20);
    expect(free()).toBe(all);
    expect(await bytesOf(short.body)).toEqual(block.data.slice(5, 5 + 2 ** 20));
    const long = await read(7, 4 * 2 ** 20);
    expect(free()).toBe(all - 2 * 2 ** 20);
    const left = await read(9, 4 * 2 ** 20);
    expect(free()).toBe(all - 4 * 2 ** 20);
    await left.body.cancel('client gone');
    expect(await bytesOf(long.body)).toEqual(block.data.slice(7, 7 + 4 * 2 ** 20));
    await settled(all);
  });

  test('is waited for where others have it', async () => {
    const at = testMount();
    const block = await randomBlock(3 * 2 ** 20);
    await at.mount.volume.write(block.hash, bodyOf(block.data), { size: block.data.length });
    const blocks: BlockSource = { mounts: [at.mount], cache: NO_CACHE, verifyReads: 'always' };
    const others = heldBudget.reserve();
    const all = free();
    others.require(all);
    let isRead = false;
    const read = readBlockRange(blocks, block.hash, { offset: 0, length: 9 }, { size: block.data.length }).then(
      (found) => {
        isRead = true;
        return found;
      },
    );
    await scheduler.wait(60);
    expect(isRead).toBe(false);
    others.release();
    expect(await bytesOf((await read).body)).toEqual(block.data.slice(0, 9));
    others.require(all);
    const gone = new AbortController();
    const options = { size: block.data.length, signal: gone.signal };
    const given = readBlockRange(blocks, block.hash, { offset: 0, length: 9 }, options);
    gone.abort(new Error('client gone'));
    await expect(given).rejects.toThrow();
    others.release();
    await settled(all);
  });
});
