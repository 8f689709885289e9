import { describe, expect, test, vi } from 'vitest';
import type { BlockSource } from '../../../src/blocks/block-source.ts';
import { createEdgeCache, NO_CACHE } from '../../../src/blocks/edge-cache.ts';
import type { Hedging } from '../../../src/blocks/hedging.ts';
import { readBlock, readBlockRange } from '../../../src/blocks/read-block.ts';
import { mountOrder } from '../../../src/keep/rendezvous.ts';
import { repairEntry } from '../../../src/queues/repair.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import { bodyOf, bytesOf, flipped, randomBlock, readUntilBroken, type TestBlock } from '../support/bytes.ts';
import { putInParts, type TestMountOptions, testMount } from '../support/mounts.ts';
import { soon } from '../support/soon.ts';

const MIB = 2 ** 20;
const dataKey = (hash: string) => `${hash.slice(0, 3)}/${hash}`;
type At = ReturnType<typeof testMount>;

const source = (mounts: Mount[], extra: Partial<BlockSource> = {}): BlockSource => ({
  mounts,
  cache: NO_CACHE,
  verifyReads: 'attested',
  ...extra,
});
const put = ({ mount }: { mount: Mount }, { hash, data }: TestBlock) =>
  mount.volume.write(hash, bodyOf(data), { size: data.length });
const stored = async ({ raw }: At, { hash }: TestBlock) => {
  const object = await raw.get(dataKey(hash));
  return object === null ? null : bytesOf(object.body);
};

/** Two mounts, the one that this block is read from first at the front. */
function pairFor(hash: string, options: TestMountOptions = {}): [At, At] {
  const pair: [At, At] = [testMount(options), testMount(options)];
  const [first] = mountOrder(
    hash,
    pair.map(({ mount }) => mount),
  );
  return pair[0].mount === first ? pair : [pair[1], pair[0]];
}

describe('a slow mount', () => {
  /** No time passes in these tests: a mount that hangs is slow at once. */
  function impatient(allowed: boolean) {
    const asked = { hedges: 0, observed: [] as string[] };
    const hedging: Hedging = {
      observe: (mount) => void asked.observed.push(mount),
      patience: () => 0,
      countRead: () => undefined,
      mayHedge: () => {
        if (allowed) asked.hedges++;
        return allowed;
      },
    };
    return { hedging, asked };
  }
  function hanging({ mount }: At) {
    const release = Promise.withResolvers<void>();
    let signal: AbortSignal | undefined;
    let isCancelled = false;
    const volume: Mount['volume'] = {
      ...mount.volume,
      async read(hash, options) {
        signal = options?.signal;
        await release.promise;
        const range = options?.range === undefined ? {} : { range: options.range };
        const object = await mount.volume.read(hash, range);
        if (object === null) return null;
        const cancel = object.body.cancel.bind(object.body);
        object.body.cancel = (reason) => {
          isCancelled = true;
          return cancel(reason);
        };
        return object;
      },
    };
    return {
      mount: { ...mount, volume },
      release: release.resolve,
      signal: () => signal,
      isCancelled: () => isCancelled,
    };
  }

  test('is not waited for: the next one answers, and the slow read is let go of', async () => {
    const block = await randomBlock(3 * MIB);
    const [first, second] = pairFor(block.hash);
    await Promise.all([put(first, block), put(second, block)]);
    const slow = hanging(first);
    const { hedging, asked } = impatient(true);
    const found = await readBlock(source([slow.mount, second.mount], { hedging }), block.hash);
    expect([found.from, asked.hedges]).toEqual([second.mount.uuid, 1]);
    expect(slow.signal()?.aborted).toBe(true);
    slow.release();
    expect(await bytesOf(found.body)).toEqual(block.data);
    await soon(() => (slow.isCancelled() ? true : null));
    expect(slow.isCancelled()).toBe(true);
    // How long the loser took so far counts among its times.
    expect(asked.observed.filter((uuid) => uuid === first.mount.uuid).length).toBeGreaterThan(0);
  });

  test('is waited for when second requests are used up, or no other mount has the block', async () => {
    for (const [allowed, hasSecond] of [
      [false, true],
      [true, false],
    ]) {
      const block = await randomBlock(1000);
      const [first, second] = pairFor(block.hash);
      await put(first, block);
      if (hasSecond) await put(second, block);
      const slow = hanging(first);
      const reading = readBlockRange(
        source([slow.mount, second.mount], { hedging: impatient(allowed ?? false).hedging }),
        block.hash,
        { offset: 10, length: 20 },
        { size: 1000 },
      );
      await scheduler.wait(50);
      slow.release();
      const { from, body } = await reading;
      expect([from, await bytesOf(body)]).toEqual([first.mount.uuid, block.data.slice(10, 30)]);
    }
  });
});

describe('a mount that names a nearer one', () => {
  function remoteAndNear(): { far: At; near: At; mounts: Mount[] } {
    const [far, near] = [testMount(), testMount()];
    return { far, near, mounts: [{ ...far.mount, near: near.mount.uuid }, near.mount] };
  }

  test.each([1000, 300_000, 3 * MIB + 5])(
    'gives a block of %d bytes once: then the nearer one has it',
    async (size) => {
      for (const inParts of [false, true]) {
        for (const cache of [NO_CACHE, createEdgeCache()]) {
          const { far, near, mounts } = remoteAndNear();
          const block = await randomBlock(size);
          if (inParts) await putInParts(far, dataKey(block.hash), block.data);
          else await put(far, block);
          const first = await readBlock(source(mounts, { cache }), block.hash, { size });
          expect([first.from, await bytesOf(first.body)]).toEqual([far.mount.uuid, block.data]);
          expect(await soon(() => stored(near, block))).toEqual(block.data);
          far.calls.length = 0;
          const again = await readBlock(source(mounts), block.hash, { size });
          expect([again.from, await bytesOf(again.body), far.calls]).toEqual([near.mount.uuid, block.data, []]);
        }
      }
    },
  );

  test('gives files’ whole blocks likewise, and a block whose parts have been read a lot', async () => {
    const { far, near, mounts } = remoteAndNear();
    const size = 4 * MIB;
    const [whole, parts] = [await randomBlock(size), await randomBlock(size)];
    await Promise.all([put(far, whole), put(far, parts)]);
    const read = ({ hash }: TestBlock, offset: number, length: number) =>
      readBlockRange(source(mounts), hash, { offset, length }, { size }).then(({ body }) => bytesOf(body));
    expect(await read(whole, 0, size)).toEqual(whole.data);
    expect(await soon(() => stored(near, whole))).toEqual(whole.data);
    expect(await read(parts, 0, MIB / 2)).toEqual(parts.data.slice(0, MIB / 2));
    await scheduler.wait(100);
    expect(await stored(near, parts)).toBeNull();
    await read(parts, MIB, MIB / 2);
    expect(await soon(() => stored(near, parts))).toEqual(parts.data);
  });

  test('never puts a bad copy there, and a reader who leaves leaves nothing', async () => {
    const { far, near, mounts } = remoteAndNear();
    const block = await randomBlock(3 * MIB);
    const wrong = block.data.slice();
    wrong[2 * MIB] = (wrong[2 * MIB] ?? 0) ^ 1;
    await putInParts(far, dataKey(block.hash), wrong);
    const bad = await readBlock(source(mounts), block.hash, { size: wrong.length });
    const [read] = await Promise.all([readUntilBroken(bad.body), bad.done?.catch(() => undefined)]);
    expect(read.error).not.toBeNull();
    const left = await randomBlock(3 * MIB);
    await put(far, left);
    const { body, done } = await readBlock(source(mounts), left.hash, { size: left.data.length });
    const reader = body.getReader();
    await reader.read();
    await reader.cancel('gone');
    await done?.catch(() => undefined);
    await scheduler.wait(200);
    expect([await stored(near, block), await stored(near, left)]).toEqual([null, null]);
  });

  test('costs the reader nothing when the nearer one fails', async () => {
    for (const size of [1000, 3 * MIB]) {
      const { far, near, mounts } = remoteAndNear();
      const block = await randomBlock(size);
      await put(far, block);
      near.faults.push({ operation: 'put', when: 'before' });
      const { from, body } = await readBlock(source(mounts), block.hash, { size });
      expect([from, await bytesOf(body)]).toEqual([far.mount.uuid, block.data]);
    }
  });

  test('is not copied from when the nearer one could not be asked', async () => {
    const { far, near, mounts } = remoteAndNear();
    const block = await randomBlock(1000);
    await put(far, block);
    near.faults.push({ operation: 'get', when: 'before' });
    near.calls.length = 0;
    expect(await bytesOf((await readBlock(source(mounts), block.hash)).body)).toEqual(block.data);
    await scheduler.wait(100);
    expect(near.calls.filter((call) => call.startsWith('put'))).toEqual([]);
  });
});

describe('a bad copy', () => {
  test('is reported when it is met, at once or on the way, if there are other mounts', async () => {
    const block = await randomBlock(3 * MIB);
    const [first, second] = pairFor(block.hash);
    const wrong = flipped(block.data, 5);
    await first.raw.put(dataKey(block.hash), wrong, { size: wrong.length });
    await put(second, block);
    const repair = vi.fn();
    const blocks = source([first.mount, second.mount], { repair });
    expect(await bytesOf((await readBlock(blocks, block.hash)).body)).toEqual(block.data);
    expect(repair.mock.calls).toEqual([[block.hash, first.mount]]);
    // Without an MD5 of the store it shows only at the end.
    await putInParts(first, dataKey(block.hash), wrong);
    const { body, done } = await readBlock(blocks, block.hash);
    await Promise.all([readUntilBroken(body), done?.catch(() => undefined)]);
    expect(repair.mock.calls.length).toBe(2);
    await readUntilBroken((await readBlock(source([first.mount], { repair }), block.hash)).body);
    expect(repair.mock.calls.length).toBe(2);
  });

  test('is replaced by a good one, whatever its store says of it', async () => {
    for (const inParts of [false, true]) {
      const block = await randomBlock(MIB);
      const [bad, good] = pairFor(block.hash);
      const wrong = flipped(block.data, 5);
      if (inParts) await putInParts(bad, dataKey(block.hash), wrong);
      else await bad.raw.put(dataKey(block.hash), wrong, { size: wrong.length });
      const mounts = [bad.mount, good.mount];
      const entry = { hash: block.hash, mountUuid: bad.mount.uuid };
      expect(await repairEntry(entry, mounts)).toMatchObject({ result: 'failed', reason: 'no_good_copy' });
      expect(await stored(bad, block)).toEqual(wrong);
      await put(good, block);
      expect(await repairEntry(entry, mounts)).toEqual({ result: 'done', reason: 'repaired' });
      expect(await stored(bad, block)).toEqual(block.data);
      expect(await repairEntry(entry, mounts)).toEqual({ result: 'skipped', reason: 'good' });
    }
  });

  test('is not replaced by another bad one, nor put back where it was trashed', async () => {
    const block = await randomBlock(MIB);
    const [bad, other] = pairFor(block.hash);
    const wrong = flipped(block.data, 5);
    const mounts = [bad.mount, other.mount];
    const entry = { hash: block.hash, mountUuid: bad.mount.uuid };
    await put(other, block);
    expect(await repairEntry(entry, mounts)).toEqual({ result: 'skipped', reason: 'absent' });
    await putInParts(other, dataKey(block.hash), flipped(wrong, 0));
    await putInParts(bad, dataKey(block.hash), wrong);
    expect(await repairEntry(entry, mounts)).toMatchObject({ result: 'failed' });
    expect(await stored(bad, block)).toEqual(wrong);
  });
});
