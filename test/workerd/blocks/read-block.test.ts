import { afterEach, describe, expect, test, vi } from 'vitest';
import type { BlockSource } from '../../../src/blocks/block-source.ts';
import { createEdgeCache, NO_CACHE } from '../../../src/blocks/edge-cache.ts';
import { readBlock, readBlockRange, vouchForBlock } from '../../../src/blocks/read-block.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import { mountOrder } from '../../../src/keep/rendezvous.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import { CHUNK_BYTES } from '../../../src/streams/chunks.ts';
import { bodyOf, bytesOf, randomBlock, readUntilBroken, type TestBlock } from '../support/bytes.ts';
import { putInParts, testMount } from '../support/mounts.ts';
import { soon } from '../support/soon.ts';

const CHUNK = CHUNK_BYTES;
const BIG = 3 * CHUNK + 17;
const dataKey = (hash: string) => `${hash.slice(0, 3)}/${hash}`;
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'success',
    (error) => (isKeepError(error) ? error.code : error),
  );

function source(mounts: Mount[], extra: Partial<BlockSource> = {}): BlockSource {
  return { mounts, cache: NO_CACHE, verifyReads: 'attested', ...extra };
}

async function put({ mount }: { mount: Mount }, { hash, data }: TestBlock): Promise<void> {
  await mount.volume.write(hash, bodyOf(data), { size: data.length });
}

/** Two mounts, the one that this block is read from first at the front. */
function pairFor(hash: string) {
  const pair = [testMount(), testMount()];
  const [first] = mountOrder(
    hash,
    pair.map(({ mount }) => mount),
  );
  return pair[0]?.mount === first ? pair : pair.reverse();
}

async function damaged({ data }: TestBlock): Promise<Uint8Array<ArrayBuffer>> {
  const wrong = data.slice();
  const last = wrong.length - 1;
  wrong[last] = (wrong[last] ?? 0) ^ 0xff;
  return wrong;
}

describe('a block whose MD5 the store vouches for', () => {
  test.each([1, 1000, BIG])('of %d bytes is passed on as it is', async (size) => {
    const at = testMount();
    const block = await randomBlock(size);
    await put(at, block);
    const found = await readBlock(source([at.mount]), block.hash, { size });
    expect(found).toMatchObject({ size, vouched: 'attested', from: at.mount.uuid });
    expect(await bytesOf(found.body)).toEqual(block.data);
    expect(await vouchForBlock(source([at.mount]), block.hash)).toMatchObject({ size, vouched: 'attested' });
  });

  test('is vouched for on HEAD without moving a byte', async () => {
    const at = testMount();
    const block = await randomBlock(BIG);
    await put(at, block);
    at.calls.length = 0;
    await vouchForBlock(source([at.mount]), block.hash, { size: BIG });
    expect(at.calls).toEqual([`head ${dataKey(block.hash)}`]);
  });

  test('but is another one: 502 before the first byte, on GET and HEAD', async () => {
    const at = testMount();
    const block = await randomBlock(BIG);
    await at.raw.put(dataKey(block.hash), await damaged(block), { size: BIG });
    expect(await codeOf(readBlock(source([at.mount]), block.hash))).toBe('corrupt');
    expect(await codeOf(vouchForBlock(source([at.mount]), block.hash))).toBe('corrupt');
  });

  test('but has another size than the locator says: 502', async () => {
    const at = testMount();
    const block = await randomBlock(1000);
    await put(at, block);
    for (const size of [999, 1001]) {
      expect(await codeOf(readBlock(source([at.mount]), block.hash, { size }))).toBe('corrupt');
      expect(await codeOf(vouchForBlock(source([at.mount]), block.hash, { size }))).toBe('corrupt');
    }
  });

  test('is read in part from just there', async () => {
    const at = testMount();
    const block = await randomBlock(BIG);
    await put(at, block);
    const range = { offset: CHUNK + 3, length: 1000 };
    const part = await readBlockRange(source([at.mount]), block.hash, range, { size: BIG });
    expect(await bytesOf(part.body)).toEqual(block.data.slice(CHUNK + 3, CHUNK + 1003));
  });

  test('is hashed all the same when reads are always verified', async () => {
    const at = testMount();
    const block = await randomBlock(BIG);
    await put(at, block);
    const found = await readBlock(source([at.mount], { verifyReads: 'always' }), block.hash);
    expect(found.vouched).toBe('hashed');
    expect(await bytesOf(found.body)).toEqual(block.data);
  });
});

describe('a block stored in parts, for which the store has no MD5', () => {
  const sizes = [1000, 256 * 1024, 256 * 1024 + 1, CHUNK, 2 * CHUNK, BIG];

  test.each(sizes)('of %d bytes is hashed on its way and arrives whole', async (size) => {
    const at = testMount();
    const block = await randomBlock(size);
    await putInParts(at, dataKey(block.hash), block.data);
    const found = await readBlock(source([at.mount]), block.hash, { size });
    expect(found.vouched).toBe('hashed');
    expect(await bytesOf(found.body)).toEqual(block.data);
    expect(await vouchForBlock(source([at.mount]), block.hash)).toMatchObject({ size, vouched: 'hashed' });
  });

  test.each(sizes)('of %d bytes and corrupt is never a complete body', async (size) => {
    const at = testMount();
    const block = await randomBlock(size);
    await putInParts(at, dataKey(block.hash), await damaged(block));
    expect(await codeOf(vouchForBlock(source([at.mount]), block.hash))).toBe('corrupt');
    if (size <= CHUNK) {
      expect(await codeOf(readBlock(source([at.mount]), block.hash))).toBe('corrupt');
    } else {
      const { body, done } = await readBlock(source([at.mount]), block.hash);
      const [{ bytes, error }] = await Promise.all([readUntilBroken(body), done?.catch(() => undefined)]);
      expect(error).not.toBeNull();
      expect(bytes).toBeLessThan(size);
    }
  });

  test('is hashed whole before a part of it is given out', async () => {
    const at = testMount();
    const good = await randomBlock(BIG);
    const bad = await randomBlock(BIG);
    await putInParts(at, dataKey(good.hash), good.data);
    await putInParts(at, dataKey(bad.hash), await damaged(bad));
    const range = { offset: 5, length: 100 };
    const part = await readBlockRange(source([at.mount]), good.hash, range, { size: BIG });
    expect(await bytesOf(part.body)).toEqual(good.data.slice(5, 105));
    expect(await codeOf(readBlockRange(source([at.mount]), bad.hash, range, { size: BIG }))).toBe('corrupt');
  });
});

describe('many ranges of a block that has to be hashed', () => {
  test.each([300_000, 3 * BIG + 77])(
    'hash it once, whether they come together or one by one (%d bytes)',
    async (size) => {
      for (const together of [1, 16]) {
        const at = testMount();
        const block = await randomBlock(size);
        await put(at, block);
        let whole = 0;
        let bytes = 0;
        const counting: Mount = {
          ...at.mount,
          volume: {
            ...at.mount.volume,
            read: async (hash, options) => {
              if (options?.range === undefined) whole++;
              else bytes += options.range.length;
              return at.mount.volume.read(hash, options);
            },
          },
        };
        const from = source([counting], { verifyReads: 'always' });
        const read = async (offset: number, length: number) => {
          const { body, done } = await readBlockRange(from, block.hash, { offset, length }, { size });
          const [got] = await Promise.all([bytesOf(body), done]);
          expect(got).toEqual(block.data.slice(offset, offset + length));
        };
        for (let i = 0; i < 256; i += together)
          await Promise.all(
            Array.from({ length: together }, (_, j) => {
              const offset = Math.floor(((i + j) / 256) * (size - 1));
              return read(offset, 1 + (((i + j) * 7919) % Math.min(2000, size - offset)));
            }),
          );
        await read(size - 1, 1);
        // A small block is read whole for each range; digests of a larger one, for each two of its megabytes at most.
        if (size > 2 ** 20) expect([together, whole]).toEqual([together, 1]);
        expect(bytes).toBeLessThan(258 * 2 * 2 ** 20 + size);
      }
    },
  );
});

describe('a store that gives other bytes the second time', () => {
  test.each([
    ['of a small block', 1000, { offset: 5, length: 100 }],
    ['of a large block', BIG, { offset: CHUNK - 5, length: 100 }],
    ['of a large block, and long', BIG, { offset: 7, length: 2 * CHUNK }],
  ])('cannot pass them off as a part %s that was hashed', async (_, size, range) => {
    const at = testMount();
    const block = await randomBlock(size);
    await putInParts(at, dataKey(block.hash), block.data);
    const wrong = new Uint8Array(Math.max(range.length, 2 * 2 ** 20)).fill(1);
    let flips = false;
    const fickle: Mount = {
      ...at.mount,
      volume: {
        ...at.mount.volume,
        read: async (hash, options) => {
          const object = await at.mount.volume.read(hash, options);
          if (object === null || !flips) return object;
          await object.body.cancel();
          return { ...object, body: bodyOf(wrong.slice(0, options?.range?.length ?? size)) };
        },
      },
    };
    const right = await readBlockRange(source([fickle]), block.hash, range, { size });
    expect(await bytesOf(right.body)).toEqual(block.data.slice(range.offset, range.offset + range.length));
    flips = true;
    const outcome = await readBlockRange(source([fickle]), block.hash, range, { size }).then(
      async ({ body, done }) => (await Promise.all([readUntilBroken(body), done?.catch(() => undefined)]))[0],
      (error) => (isKeepError(error) ? { bytes: 0, error } : Promise.reject(error)),
    );
    expect(outcome.error).not.toBeNull();
    expect(outcome.bytes).toBeLessThanOrEqual(range.length);
  });
});

describe('over several mounts', () => {
  test('a miss or a broken store leads to the next mount', async () => {
    const block = await randomBlock(100);
    const [first, second] = pairFor(block.hash);
    await put(second!, block);
    const blocks = source([first!.mount, second!.mount]);
    expect((await readBlock(blocks, block.hash)).from).toBe(second!.mount.uuid);
    first!.faults.push({ operation: 'get', when: 'before' }, { operation: 'head', when: 'before' });
    expect((await readBlock(blocks, block.hash)).from).toBe(second!.mount.uuid);
    expect((await vouchForBlock(blocks, block.hash)).from).toBe(second!.mount.uuid);
  });

  test('a copy that is known to be bad does not hide a good one', async () => {
    const block = await randomBlock(BIG);
    const [first, second] = pairFor(block.hash);
    await first!.raw.put(dataKey(block.hash), await damaged(block), { size: BIG });
    await put(second!, block);
    const blocks = source([first!.mount, second!.mount]);
    const found = await readBlock(blocks, block.hash);
    expect(found.from).toBe(second!.mount.uuid);
    expect(await bytesOf(found.body)).toEqual(block.data);
    expect((await vouchForBlock(blocks, block.hash)).from).toBe(second!.mount.uuid);
  });

  test('404 only when every mount says so; an outage is not an absence', async () => {
    const block = await randomBlock(100);
    const [first, second] = pairFor(block.hash);
    const blocks = source([first!.mount, second!.mount]);
    expect(await codeOf(readBlock(blocks, block.hash))).toBe('not_found');
    expect(await codeOf(vouchForBlock(blocks, block.hash))).toBe('not_found');
    second!.faults.push({ operation: 'get', when: 'before' });
    expect(String(await codeOf(readBlock(blocks, block.hash)))).toContain('injected');
  });
});

test('the empty block is always there', async () => {
  const empty = await randomBlock(0);
  const found = await readBlock(source([]), empty.hash, { size: 0 });
  expect(await bytesOf(found.body)).toEqual(new Uint8Array(0));
  expect((await vouchForBlock(source([]), empty.hash)).size).toBe(0);
});

describe('the edge cache', () => {
  const cached = (mounts: Mount[]) => source(mounts, { cache: createEdgeCache() });
  /** The entry is completed after the reader has its bytes. */
  const settled = (blocks: BlockSource, { hash, data }: TestBlock) =>
    soon(() => blocks.cache.match(hash, { size: data.length }));

  test.each([1000, BIG])('serves a block of %d bytes again, and parts of it, without asking a store', async (size) => {
    for (const inParts of [false, true]) {
      const at = testMount();
      const block = await randomBlock(size);
      if (inParts) await putInParts(at, dataKey(block.hash), block.data);
      else await put(at, block);
      const blocks = cached([at.mount]);
      const miss = await readBlock(blocks, block.hash, { size });
      expect(miss.from).toBe(at.mount.uuid);
      expect(await bytesOf(miss.body)).toEqual(block.data);
      await (await settled(blocks, block))?.body.cancel();
      at.calls.length = 0;
      const hit = await readBlock(blocks, block.hash, { size });
      expect(hit.from).toBe('cache');
      expect(await bytesOf(hit.body)).toEqual(block.data);
      const part = await readBlockRange(blocks, block.hash, { offset: 10, length: 20 }, { size });
      expect(await bytesOf(part.body)).toEqual(block.data.slice(10, 30));
      expect(at.calls).toEqual([]);
    }
  });

  test('comes to hold a block of which a quarter was read in ranges, and a small one at the first range', async () => {
    for (const [size, ranges] of [
      [900_000, 1],
      [4 * 2 ** 20, 3],
    ] as const) {
      const at = testMount();
      const block = await randomBlock(size);
      await put(at, block);
      const blocks = cached([at.mount]);
      for (let i = 0; i < ranges; i++) {
        const range = { offset: i * 400_000, length: 400_000 };
        const part = await readBlockRange(blocks, block.hash, range, { size });
        expect(await bytesOf(part.body)).toEqual(block.data.slice(range.offset, range.offset + range.length));
      }
      await (await settled(blocks, block))?.body.cancel();
      at.calls.length = 0;
      const again = await readBlockRange(blocks, block.hash, { offset: size - 10, length: 10 }, { size });
      expect([again.from, await bytesOf(again.body), at.calls]).toEqual(['cache', block.data.slice(size - 10), []]);
    }
  });

  test('never keeps a corrupt block', async () => {
    const at = testMount();
    const block = await randomBlock(BIG);
    await putInParts(at, dataKey(block.hash), await damaged(block));
    const blocks = cached([at.mount]);
    const { body, done } = await readBlock(blocks, block.hash, { size: BIG });
    await Promise.all([readUntilBroken(body), done?.catch(() => undefined)]);
    await scheduler.wait(100);
    expect(await blocks.cache.match(block.hash, { size: BIG })).toBeNull();
  });

  test('never keeps what a reader left in the middle', async () => {
    const at = testMount();
    const block = await randomBlock(BIG);
    await put(at, block);
    const blocks = cached([at.mount]);
    const { body, done } = await readBlock(blocks, block.hash, { size: BIG });
    const reader = body.getReader();
    await reader.read();
    await reader.cancel('gone');
    await done?.catch(() => undefined);
    await scheduler.wait(100);
    expect(await blocks.cache.match(block.hash, { size: BIG })).toBeNull();
    expect(await bytesOf((await readBlock(blocks, block.hash, { size: BIG })).body)).toEqual(block.data);
  });

  test('does not answer for a size that is not the block’s', async () => {
    const at = testMount();
    const block = await randomBlock(1000);
    await put(at, block);
    const blocks = cached([at.mount]);
    await bytesOf((await readBlock(blocks, block.hash, { size: 1000 })).body);
    await (await settled(blocks, block))?.body.cancel();
    expect(await codeOf(readBlock(blocks, block.hash, { size: 999 }))).toBe('corrupt');
  });
});

describe('an edge cache that fails', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });
  const refuse = () => Promise.reject(new Error('the cache is ill'));

  test.each([
    ['is not available at all', () => vi.spyOn(caches, 'open').mockImplementation(refuse)],
    [
      'neither gives nor takes',
      () => vi.spyOn(caches, 'open').mockResolvedValue({ match: refuse, put: refuse, delete: refuse } as Cache),
    ],
  ])('and %s takes nothing from a read', async (_, breakIt) => {
    const blocks = [await randomBlock(1000), await randomBlock(BIG)];
    const at = testMount();
    for (const block of blocks) await put(at, block);
    breakIt();
    for (const { hash, data } of blocks) {
      for (const verifyReads of ['attested', 'always'] as const) {
        const from = source([at.mount], { cache: createEdgeCache(), verifyReads });
        const { body } = await readBlock(from, hash, { size: data.length });
        expect(await bytesOf(body)).toEqual(data);
        const part = await readBlockRange(from, hash, { offset: 3, length: 500 }, { size: data.length });
        expect(await bytesOf(part.body)).toEqual(data.slice(3, 503));
      }
    }
  });
});
