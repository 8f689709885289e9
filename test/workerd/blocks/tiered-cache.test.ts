import { describe, expect, test } from 'vitest';
import type { BlockSource } from '../../../src/blocks/block-source.ts';
import { NO_CACHE } from '../../../src/blocks/edge-cache.ts';
import { readBlock, readBlockRange } from '../../../src/blocks/read-block.ts';
import { answerFill, createBlockTier } from '../../../src/blocks/tiered-cache.ts';
import { createContext } from '../../../src/http/context.ts';
import { signLocator } from '../../../src/keep/signature.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import { type GetDependencies, getBlock } from '../../../src/surfaces/keepstore/get.ts';
import { bodyOf, bytesOf, flipped, randomBlock, type TestBlock } from '../support/bytes.ts';
import { dataCentres } from '../support/data-centres.ts';
import { putInParts, testMount } from '../support/mounts.ts';

const MIB = 2 ** 20;
const dataKey = (hash: string) => `${hash.slice(0, 3)}/${hash}`;

/** A service behind the cache, with one mount. `reader(n)` reads in data centre n. */
function service() {
  const at = testMount();
  const plain: BlockSource = { mounts: [at.mount], cache: NO_CACHE, verifyReads: 'attested' };
  const work: Promise<unknown>[] = [];
  const centres = dataCentres((request, props) =>
    props === 'right'
      ? answerFill(request, {
          source: plain,
          purge: async (tag) => centres.purge(tag),
          waitUntil: (promise) => void work.push(promise),
        })
      : Promise.resolve(new Response(null, { status: 403, headers: { 'Cache-Control': 'no-store' } })),
  );
  const reader = (number: number, props = 'right', mounts: Mount[] = []): BlockSource => ({
    ...plain,
    mounts,
    tier: createBlockTier(() => centres.at(number, props)),
  });
  const gets = () => at.calls.filter((call) => call.startsWith('get')).length;
  return { at, centres, reader, gets, work };
}
const put = ({ mount }: { mount: Mount }, { hash, data }: TestBlock) =>
  mount.volume.write(hash, bodyOf(data), { size: data.length });

test.each([1000, 2 * MIB])(
  '300 data centres that read one block of %d bytes cost one read of the store',
  async (size) => {
    const { at, centres, reader, gets } = service();
    const block = await randomBlock(size);
    await put(at, block);
    for (let number = 0; number < 300; number++) {
      const { from, body } = await readBlock(reader(number), block.hash, { size });
      expect(from).toBe(number === 0 ? at.mount.uuid : 'cache');
      const bytes = await bytesOf(body);
      if (number % 50 === 0) expect(bytes).toEqual(block.data);
    }
    expect([centres.runs, gets(), centres.entries]).toEqual([1, 1, 301]);
  },
);

test('64 cold readers at once, in one data centre or in 64, cost one read of the store', async () => {
  for (const centreOf of [() => 0, (i: number) => i]) {
    const { at, centres, reader, gets } = service();
    const block = await randomBlock(MIB);
    await put(at, block);
    const reads = Array.from({ length: 64 }, (_, i) =>
      readBlock(reader(centreOf(i)), block.hash, { size: MIB }).then(({ body }) => bytesOf(body)),
    );
    for (const bytes of await Promise.all(reads)) expect(bytes.byteLength).toBe(MIB);
    expect([centres.runs, gets()]).toEqual([1, 1]);
  }
});

test('ranges are cut from the whole block, small ones of a block that is read little are not asked of it', async () => {
  const { at, centres, reader, gets } = service();
  const block = await randomBlock(4 * MIB);
  await put(at, block);
  const size = block.data.length;
  const read = async (number: number, offset: number, length: number) =>
    bytesOf((await readBlockRange(reader(number, 'right', [at.mount]), block.hash, { offset, length }, { size })).body);
  expect(await read(0, 5, 1000)).toEqual(block.data.slice(5, 1005));
  expect([centres.runs, gets()]).toEqual([0, 1]);
  expect(await read(0, MIB, 2 * MIB)).toEqual(block.data.slice(MIB, 3 * MIB));
  expect(await read(1, 7, 1000)).toEqual(block.data.slice(7, 1007));
  expect([centres.runs, gets()]).toEqual([1, 2]);
});

describe('what is not a good block', () => {
  test('is not kept: a missing one is found as soon as it is written', async () => {
    const { at, reader, centres } = service();
    const block = await randomBlock(1000);
    const read = () => readBlock(reader(1), block.hash, { size: 1000 });
    await expect(read()).rejects.toMatchObject({ code: 'not_found' });
    await put(at, block);
    expect(await bytesOf((await read()).body)).toEqual(block.data);
    await expect(readBlock(reader(1), block.hash, { size: 999 })).rejects.toMatchObject({ code: 'corrupt' });
    expect(centres.entries).toBe(2);
  });

  test.each([1000, 3 * MIB])(
    'is not kept when it is corrupt (%d bytes), and good as soon as it is mended',
    async (size) => {
      const { at, reader, centres, work } = service();
      const block = await randomBlock(size);
      const wrong = flipped(block.data, size - 5);
      await putInParts(at, dataKey(block.hash), wrong);
      const read = (number: number) => readBlock(reader(number), block.hash, { size });
      await expect(read(1).then(({ body }) => bytesOf(body))).rejects.toBeDefined();
      await Promise.all(work);
      expect(centres.entries).toBe(0);
      await at.raw.put(dataKey(block.hash), block.data, { size });
      expect(await bytesOf((await read(2)).body)).toEqual(block.data);
    },
  );
});

test('a purge reaches every tier', async () => {
  const { at, reader, gets, centres } = service();
  const block = await randomBlock(1000);
  await put(at, block);
  const read = (number: number) =>
    readBlock(reader(number), block.hash, { size: 1000 }).then(({ body }) => bytesOf(body));
  await read(1);
  await read(2);
  centres.purge(`${block.hash}+1000`);
  expect(centres.entries).toBe(0);
  await read(2);
  expect(gets()).toBe(2);
});

test('a caller that does not know the service’s code gets nothing, even what is cached', async () => {
  const { at, reader } = service();
  const block = await randomBlock(1000);
  await put(at, block);
  await bytesOf((await readBlock(reader(1), block.hash, { size: 1000 })).body);
  await expect(readBlock(reader(1, 'wrong'), block.hash, { size: 1000 })).rejects.toMatchObject({ code: 'not_found' });
});

test('a block that is cached is still refused without its signature, with an expired one, without a token, and to another user', async () => {
  const { at, reader, centres, gets } = service();
  const block = await randomBlock(1000);
  await put(at, block);
  const signing = { key: 'key', ttlSeconds: 3600 };
  const now = Date.now() / 1000;
  const signed = (expiry: number) => signLocator(`${block.hash}+1000`, 'token', Math.floor(now) + expiry, signing);
  const get = (path: string, token: string | null) => {
    const headers: HeadersInit = token === null ? {} : { Authorization: `Bearer ${token}` };
    const context = createContext(new Request(`http://keep/${path}`, { headers }), () => undefined);
    const remote = { mounts: [], cache: NO_CACHE } as unknown as GetDependencies['remote'];
    return getBlock(context, { blocks: reader(1), remote, signing, readSigning: signing });
  };
  for (const round of ['MISS', 'HIT']) {
    const answer = await get(signed(60), 'token');
    expect([round, new Uint8Array(await answer.arrayBuffer())]).toEqual([round, block.data]);
  }
  for (const [path, token, code] of [
    [`${block.hash}+1000`, 'token', 'invalid_signature'],
    [signed(-60), 'token', 'expired_signature'],
    [signed(60), null, 'no_token'],
    [signed(60), 'another', 'invalid_signature'],
  ] as const)
    await expect(get(path, token)).rejects.toMatchObject({ code });
  expect([centres.runs, gets()]).toEqual([1, 1]);
});

test('a cache that fails is read past', async () => {
  const at = testMount();
  const block = await randomBlock(1000);
  await put(at, block);
  const answers = [() => Promise.reject(new Error('ill')), async () => new Response('ill', { status: 520 })];
  for (const fetch of answers) {
    const source: BlockSource = {
      mounts: [at.mount],
      cache: NO_CACHE,
      verifyReads: 'attested',
      tier: createBlockTier(() => ({ fetch })),
    };
    expect(await bytesOf((await readBlock(source, block.hash, { size: 1000 })).body)).toEqual(block.data);
  }
});
