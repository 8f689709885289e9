import { describe, expect, test } from 'vitest';
import { type WriteRequest, type WriteResult, writeBlock } from '../../../src/blocks/write-block.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import { createBucketVolume } from '../../../src/storage/bucket-volume.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { CHUNK_BYTES } from '../../../src/streams/chunks.ts';
import collision from '../../vectors/md5-collision.json';
import { bodyOf, bytesOf, md5, randomBlock, type TestBlock } from '../support/bytes.ts';
import { interleave } from '../support/interleave.ts';
import { HOUR_SECONDS, testMount } from '../support/mounts.ts';

const CHUNK = CHUNK_BYTES;
const OPTIONS = {
  prefixLength: 3,
  unsafeDelete: false,
  ttlSeconds: HOUR_SECONDS,
  lifetimeSeconds: HOUR_SECONDS,
  raceWindowSeconds: 0,
  clock: Date.now,
};

function write(mounts: Mount[], { hash, data }: TestBlock, extra: Partial<WriteRequest> = {}): Promise<WriteResult> {
  return writeBlock(mounts, { hash, size: data.length, body: bodyOf(data), desired: 1, storageClasses: [], ...extra });
}

async function stored(mount: Mount, hash: string): Promise<Uint8Array | null> {
  const object = await mount.volume.read(hash);
  return object === null ? null : bytesOf(object.body);
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'success',
    (error) => (isKeepError(error) ? error.code : error),
  );
const dataKey = (hash: string) => `${hash.slice(0, 3)}/${hash}`;

describe('storage classes and replicas follow keepstore’s rules', () => {
  const A = testMount({ classes: ['default'] });
  const B = testMount({ classes: ['special', 'extra'] });
  const C = testMount({ classes: ['readonly'], readOnly: true });
  const mounts = [A.mount, B.mount, C.mount];

  test.each<[string[], string, number, Record<string, number>]>([
    [['default'], 'success', 1, { default: 1 }],
    [['default', 'default'], 'success', 1, { default: 1 }],
    [['special'], 'success', 1, { special: 1, extra: 1 }],
    [['special', 'readonly'], 'success', 1, { special: 1, extra: 1 }],
    [['special', 'nonexistent'], 'success', 1, { special: 1, extra: 1 }],
    [['default', 'special'], 'success', 2, { default: 1, special: 1, extra: 1 }],
    [['readonly'], 'full', 0, {}],
    [['nonexistent'], 'full', 0, {}],
    [['readonly', 'nonexistent'], 'full', 0, {}],
  ])('asking for %j', async (storageClasses, outcome, replicas, classes) => {
    const work = write(mounts, await randomBlock(100), { storageClasses });
    expect(await codeOf(work)).toBe(outcome);
    if (outcome !== 'success') return;
    const result = await work;
    expect(result.replicas).toBe(replicas);
    expect(Object.fromEntries(result.classes)).toEqual(classes);
  });

  test('nothing is asked for: the first mount ends the request', async () => {
    expect((await write(mounts, await randomBlock(100))).replicas).toBe(1);
  });

  test('no mount is writable: 507', async () => {
    expect(await codeOf(write([C.mount], await randomBlock(100)))).toBe('full');
  });

  test('several replicas are spread over several mounts in one pass, and a mount’s own replication counts', async () => {
    const block = await randomBlock(3 * CHUNK + 5);
    const pair = [testMount(), testMount()];
    const result = await write(
      pair.map(({ mount }) => mount),
      block,
      { desired: 2 },
    );
    expect(result.replicas).toBe(2);
    for (const { mount } of pair) expect(await stored(mount, block.hash)).toEqual(block.data);
    const double = testMount({ replication: 2 });
    const other = testMount();
    expect((await write([double.mount, other.mount].sort(), block, { desired: 2 })).replicas).toBeGreaterThanOrEqual(2);
  });

  test('more replicas than there are places is a success that says what was reached', async () => {
    expect((await write([A.mount], await randomBlock(10), { desired: 5 })).replicas).toBe(1);
  });
});

describe('a body that is not the block', () => {
  test.each([100, 3 * CHUNK])('of %d bytes stores nothing, on one mount or on two', async (size) => {
    for (const mounts of [[testMount()], [testMount(), testMount()]]) {
      const block = await randomBlock(size);
      const wrong = (await randomBlock(size)).data;
      const work = write(
        mounts.map(({ mount }) => mount),
        block,
        { body: bodyOf(wrong), desired: mounts.length },
      );
      expect(await codeOf(work)).toBe('body_mismatch');
      for (const { raw } of mounts) expect((await raw.list({ prefix: '' })).objects).toEqual([]);
    }
  });

  test('is refused against an existing block too, which stays as it was', async () => {
    const { mount } = testMount();
    const block = await randomBlock(2 * CHUNK);
    await write([mount], block);
    for (const at of [0, CHUNK + 7, block.data.length - 1]) {
      const wrong = block.data.slice();
      wrong[at] = (wrong[at] ?? 0) ^ 1;
      expect(await codeOf(write([mount], block, { body: bodyOf(wrong) }))).toBe('body_mismatch');
    }
    expect(await codeOf(write([mount], block, { body: bodyOf(block.data.slice(0, 9)), size: 9 }))).toBe(
      'body_mismatch',
    );
    expect(await stored(mount, block.hash)).toEqual(block.data);
  });
});

test.each([100, 3 * CHUNK])(
  'a body that is not the block is refused even where the store has the same wrong bytes (%d)',
  async (size) => {
    const { mount, raw } = testMount();
    const block = await randomBlock(size);
    const wrong = (await randomBlock(size)).data;
    await raw.put(dataKey(block.hash), wrong, { size });
    expect(await codeOf(write([mount], block, { body: bodyOf(wrong) }))).toBe('body_mismatch');
  },
);

test('a new block costs two writes, and a large one a look before its body is spent', async () => {
  for (const size of [1000, 2 * CHUNK]) {
    const { mount, calls } = testMount();
    const block = await randomBlock(size);
    await write([mount], block);
    const key = dataKey(block.hash);
    expect(calls).toEqual([...(size === 1000 ? [] : [`head ${key}`]), `put ${key}`, `put recent/${key}`]);
  }
});

describe('a block that is already there', () => {
  test('is not stored again: the data object stays, the marker is renewed', async () => {
    const { mount, raw, calls } = testMount();
    const block = await randomBlock(2 * CHUNK + 1);
    await write([mount], block);
    const before = await raw.head(dataKey(block.hash));
    calls.length = 0;
    expect((await write([mount], block)).replicas).toBe(1);
    expect(calls.filter((call) => call.startsWith('put'))).toEqual([`put recent/${dataKey(block.hash)}`]);
    expect(await raw.head(dataKey(block.hash))).toEqual(before);
  });

  test('is copied to a further mount that is required, although the body is spent by then', async () => {
    const [one, two] = [testMount(), testMount()];
    const block = await randomBlock(CHUNK + 1);
    await write([one.mount], block);
    expect((await write([one.mount, two.mount], block, { desired: 2 })).replicas).toBe(2);
    expect(await stored(two.mount, block.hash)).toEqual(block.data);
  });

  test('with another content of the same MD5 is refused as a collision', async () => {
    const { mount } = testMount();
    const [first, second] = [collision.first, collision.second].map(fromHex);
    const hash = collision.md5;
    await write([mount], { hash, data: first! });
    expect(await codeOf(write([mount], { hash, data: second! }))).toBe('hash_collision');
    expect(await stored(mount, hash)).toEqual(first);
  });

  test('that the store shows wrongly once is no collision: the client is to come back', async () => {
    const { mount } = testMount();
    const block = await randomBlock(1000);
    expect(await codeOf(write([mount], block))).toBe('success');
    let reads = 0;
    const { volume } = mount;
    const read: typeof volume.read = async (hash, options) => {
      const object = await volume.read(hash, options);
      if (object === null || reads++ > 0) return object;
      await object.body.cancel();
      return { ...object, body: bodyOf(new Uint8Array(1000)) };
    };
    const fickle = { ...mount, volume: { ...volume, read } };
    expect(await codeOf(write([fickle], block))).toBe('unavailable');
    expect(await codeOf(write([fickle], block))).toBe('success');
  });
});

describe('two blocks of one MD5 that are written at once', () => {
  const pair = (tail: number) => {
    const suffix = new Uint8Array(tail);
    const [first, second] = [collision.first, collision.second].map((hex) => {
      const head = fromHex(hex);
      const data = new Uint8Array(head.length + tail);
      data.set(head);
      data.set(suffix, head.length);
      return data;
    });
    return [first!, second!] as const;
  };

  test.each([0, 1000, 3 * CHUNK])('are not both acknowledged (%d bytes more)', async (tail) => {
    for (const count of [1, 2]) {
      const mounts = Array.from({ length: count }, () => testMount().mount);
      const blocks = pair(tail);
      const hash = await md5(blocks[0]);
      expect(await md5(blocks[1])).toBe(hash);
      const codes = await Promise.all(blocks.map((data) => codeOf(write(mounts, { hash, data }, { desired: count }))));
      expect(codes.toSorted()).toEqual(['hash_collision', 'success']);
      const winner = blocks[codes.indexOf('success')];
      for (const mount of mounts) expect(await stored(mount, hash)).toEqual(winner);
    }
  });

  test('are not both acknowledged in whatever order their store requests come', async () => {
    const blocks = pair(0);
    const hash = collision.md5;
    for (let seed = 1; seed <= 60; seed++) {
      const { mount, raw } = testMount();
      let state = seed;
      const pick = (choices: number) => {
        state = (state * 48_271) % 2_147_483_647;
        return state % choices;
      };
      const actors = blocks.map((data) => (store: ObjectStore) => {
        const volume = createBucketVolume(store, OPTIONS);
        return codeOf(write([{ ...mount, store, volume }], { hash, data }));
      });
      const codes = (await interleave(raw, actors, pick)).map((result) =>
        result.status === 'fulfilled' ? result.value : result.reason,
      );
      expect(codes.toSorted(), `seed ${seed}`).toEqual(['hash_collision', 'success']);
      expect(await stored(mount, hash)).toEqual(blocks[codes.indexOf('success')]);
    }
  });
});

describe('a large block whose name was taken while its body went to the store', () => {
  /** A mount on which something comes under every name just before it is written: another isolate's write. */
  const overtaken = (data: Uint8Array<ArrayBuffer>) => {
    const at = testMount();
    const volume: typeof at.mount.volume = {
      ...at.mount.volume,
      async write(hash, body, options) {
        await at.mount.volume.write(hash, data.slice(), { size: data.length });
        return at.mount.volume.write(hash, body, options);
      },
    };
    return { ...at, mount: { ...at.mount, volume } };
  };

  test('is to be sent again, and counts then', async () => {
    const block = await randomBlock(2 * CHUNK);
    const { mount } = overtaken(block.data);
    expect(await codeOf(write([mount], block))).toBe('unavailable');
    expect(await codeOf(write([mount], block))).toBe('success');
  });

  test('is compared with the copy on another mount, where there is one', async () => {
    const block = await randomBlock(2 * CHUNK);
    const [one, two] = [overtaken(block.data), testMount()];
    expect((await write([one.mount, two.mount], block, { desired: 2 })).replicas).toBe(2);
  });

  test('counts at once while it is small', async () => {
    const block = await randomBlock(1000);
    expect((await write([overtaken(block.data).mount], block)).replicas).toBe(1);
  });

  test('counts for every one of many writes at once', async () => {
    const { mount, calls } = testMount();
    const block = await randomBlock(3 * CHUNK);
    const writes = Array.from({ length: 5 }, () => codeOf(write([mount], block)));
    expect(await Promise.all(writes)).toEqual(writes.map(() => 'success'));
    expect(calls.filter((call) => call === `put ${dataKey(block.hash)}`)).toHaveLength(1);
  });
});

describe('a stored copy that is corrupt is healed by a correct write', () => {
  const sizes = [10, 2 * CHUNK + 3];

  test.each(sizes)('whose MD5 the store knows to be wrong (%d bytes)', async (size) => {
    const { mount, raw } = testMount();
    const block = await randomBlock(size);
    await raw.put(dataKey(block.hash), (await randomBlock(size)).data, { size });
    expect((await write([mount], block)).replicas).toBe(1);
    expect(await stored(mount, block.hash)).toEqual(block.data);
  });

  test.each(sizes)('on one of two mounts while the other copy is good (%d bytes)', async (size) => {
    const [one, two] = [testMount(), testMount()];
    const block = await randomBlock(size);
    await write([one.mount], block);
    await two.raw.put(dataKey(block.hash), (await randomBlock(size)).data, { size });
    expect((await write([one.mount, two.mount], block, { desired: 2 })).replicas).toBe(2);
    expect(await stored(two.mount, block.hash)).toEqual(block.data);
  });
});

describe('a store that fails', () => {
  test('before the write: the next mount is used', async () => {
    const broken = testMount({ faults: [{ operation: 'head', when: 'before' }] });
    const good = testMount();
    const block = await randomBlock(2 * CHUNK);
    const result = await write([broken.mount, good.mount], block);
    expect(result.mounts).toEqual([good.mount.uuid]);
  });

  test('in the data or in the marker, alone: 503 and no acknowledgement', async () => {
    for (const key of [/^[0-9a-f]{3}\//, /^recent\//]) {
      const { mount } = testMount({ faults: [{ operation: 'put', key, when: 'before' }] });
      expect(await codeOf(write([mount], await randomBlock(100)))).toBe('unavailable');
    }
  });

  test('after storing: 503, and the same write succeeds when it comes again', async () => {
    const { mount } = testMount({ faults: [{ operation: 'put', key: /^[0-9a-f]{3}\//, when: 'after', times: 1 }] });
    const block = await randomBlock(100);
    expect(await codeOf(write([mount], block))).toBe('unavailable');
    expect((await write([mount], block)).replicas).toBe(1);
  });

  test('at one of two mounts while the body flows: the other is acknowledged, and the broken one is not counted', async () => {
    const broken = testMount({ faults: [{ operation: 'put', key: /^[0-9a-f]{3}\//, when: 'before' }] });
    const good = testMount();
    const block = await randomBlock(3 * CHUNK);
    const result = await write([broken.mount, good.mount], block, { desired: 2 });
    expect(result.mounts).toEqual([good.mount.uuid]);
    expect(result.replicas).toBe(1);
    expect(await stored(good.mount, block.hash)).toEqual(block.data);
  });

  test('and has its copy made up by a third mount, from one that succeeded', async () => {
    const broken = testMount({ faults: [{ operation: 'put', key: /^[0-9a-f]{3}\//, when: 'before' }] });
    const good = [testMount(), testMount()];
    const block = await randomBlock(3 * CHUNK);
    const result = await write(
      [broken, ...good].map(({ mount }) => mount),
      block,
      { desired: 2 },
    );
    expect(result.replicas).toBe(2);
    for (const { mount } of good) expect(await stored(mount, block.hash)).toEqual(block.data);
  });
});

test('many writers of one block at once all succeed, and one good copy is there', async () => {
  const { mount } = testMount();
  const block = await randomBlock(CHUNK + 11);
  const results = await Promise.all(Array.from({ length: 8 }, () => write([mount], block)));
  expect(results.map(({ replicas }) => replicas)).toEqual(Array(8).fill(1));
  expect(await stored(mount, block.hash)).toEqual(block.data);
});

test('the empty block is stored like any other', async () => {
  const { mount } = testMount();
  expect((await write([mount], await randomBlock(0))).replicas).toBe(1);
});

function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
