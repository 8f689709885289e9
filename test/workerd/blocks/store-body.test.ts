import { describe, expect, test } from 'vitest';
import type { BodyDestination } from '../../../src/blocks/body-blocks.ts';
import { storeBody } from '../../../src/blocks/store-body.ts';
import { writeBlock } from '../../../src/blocks/write-block.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import { bodyOf, bytesOf, randomBlock } from '../support/bytes.ts';
import { type Fault, testMount } from '../support/mounts.ts';

const MIB = 1 << 20;
const BLOCK = 64 * MIB;

function place(faults: Fault[] = []) {
  const { mount, raw, calls } = testMount({ faults });
  const to: BodyDestination = {
    aside: mount.store,
    async storeBlock({ hash, size, body }) {
      await writeBlock([mount], { hash, size, body, desired: 1, storageClasses: [] });
      return `${hash}+${size}`;
    },
  };
  const setAside = async () => (await raw.list({ prefix: 'unnamed/' })).objects;
  const content = async (locators: string[]) => {
    const blocks = await Promise.all(
      locators.map(async (locator) => {
        const found = await mount.volume.read(locator.slice(0, 32));
        return found === null ? new Uint8Array(0) : bytesOf(found.body);
      }),
    );
    return Buffer.concat(blocks);
  };
  return { to, calls, setAside, content };
}

/** A body whose length the client does not say, in chunks that fit no block. */
function unknownLength(data: Uint8Array, breakAt = Number.POSITIVE_INFINITY): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= breakAt) controller.error(new Error('the client went away'));
      else if (at >= data.byteLength) controller.close();
      else {
        controller.enqueue(data.slice(at, at + 777_777));
        at += 777_777;
      }
    },
  });
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'success',
    (error) => (isKeepError(error) ? error.code : String(error)),
  );

describe('a body becomes blocks', () => {
  test.each([
    0,
    1,
    1000,
    256 * 1024,
    256 * 1024 + 1,
    4 * MIB - 1,
    4 * MIB,
    4 * MIB + 1,
    BLOCK,
    BLOCK + 1,
    BLOCK + 5 * MIB,
  ])('%d bytes, of known and of unknown length, and nothing stays set aside', async (size) => {
    const { data } = await randomBlock(size);
    const sizes = [...Array<number>(Math.floor(size / BLOCK)).fill(BLOCK), size % BLOCK].filter((n) => n > 0);
    for (const [body, facts] of [
      [bodyOf(data), { length: size, isNative: true }],
      [unknownLength(data), { length: size, isNative: false }],
      [unknownLength(data), { length: null, isNative: false }],
    ] as const) {
      const { to, setAside, content } = place();
      const blocks = await storeBody(body, facts, to);
      expect(blocks.map((block) => block.size)).toEqual(sizes);
      expect(Buffer.compare(await content(blocks.map(({ locator }) => locator)), data)).toBe(0);
      expect(await setAside()).toEqual([]);
    }
  });

  test('with a known MD5 one block goes straight to its name, and a wrong MD5 stores nothing', async () => {
    const { data, hash } = await randomBlock(3 * MIB);
    const { to, calls } = place();
    expect(await storeBody(bodyOf(data), { length: data.length, isNative: true, md5: hash }, to)).toEqual([
      { locator: `${hash}+${data.length}`, size: data.length },
    ]);
    expect(calls.filter((call) => call.includes('unnamed/'))).toEqual([]);
    for (const facts of [
      { length: data.length, isNative: true },
      { length: data.length, isNative: false },
      { length: null, isNative: false },
    ]) {
      const body = facts.isNative ? bodyOf(data) : unknownLength(data);
      expect(await codeOf(storeBody(body, { ...facts, md5: 'f'.repeat(32) }, place().to))).toBe('body_mismatch');
    }
  });

  test.each([1000, 3 * MIB])('a body that is longer or shorter than announced is refused (%d)', async (size) => {
    const { data } = await randomBlock(size);
    for (const length of [size - 1, size + 1]) {
      const { to, setAside } = place();
      expect(await codeOf(storeBody(unknownLength(data), { length, isNative: false }, to))).toBe('body_mismatch');
      expect(await setAside()).toEqual([]);
    }
  });

  test('a body that breaks off leaves nothing set aside', async () => {
    const { data } = await randomBlock(9 * MIB);
    for (const length of [data.length, null]) {
      const { to, setAside } = place();
      const work = storeBody(unknownLength(data, 6 * MIB), { length, isNative: false }, to);
      expect(await codeOf(work)).toContain('the client went away');
      expect(await setAside()).toEqual([]);
    }
  });

  test('a store that fails ends the request, and the body is not read on', async () => {
    const { data } = await randomBlock(9 * MIB);
    for (const length of [data.length, null]) {
      const { to } = place([{ operation: 'put', key: /^unnamed/, when: 'before' }]);
      const work = storeBody(unknownLength(data), { length, isNative: false }, to);
      expect(await codeOf(work)).toContain('injected');
    }
  });

  test('of bodies without a length eight are read at a time, and the next is told to come again', async () => {
    const { data } = await randomBlock(1000);
    const waiting: (() => void)[] = [];
    const slow = () =>
      new ReadableStream<Uint8Array>({
        pull: (controller) =>
          new Promise((done) => {
            waiting.push(() => {
              controller.enqueue(data);
              controller.close();
              done();
            });
          }),
      });
    const { to } = place();
    const facts = { length: null, isNative: false };
    const eight = Array.from({ length: 8 }, () => storeBody(slow(), facts, to));
    const ninth = await storeBody(unknownLength(data), facts, to).catch((error: unknown) => error);
    expect(isKeepError(ninth, 'unavailable') && ninth.headers['Retry-After']).toBe('2');
    for (const go of waiting) go();
    expect((await Promise.all(eight)).length).toBe(8);
    expect(await codeOf(storeBody(unknownLength(data), facts, to))).toBe('success');
  });

  test('a body without a length keeps its place among the eight until what came of it is stored', async () => {
    const { data } = await randomBlock(1000);
    const { to } = place();
    const { promise: stored, resolve: confirm } = Promise.withResolvers<void>();
    let asked = 0;
    const hanging: BodyDestination = {
      ...to,
      async storeBlock() {
        asked++;
        await stored;
        return 'x+1';
      },
    };
    const facts = { length: null, isNative: false };
    const eight = Array.from({ length: 8 }, () => storeBody(unknownLength(data), facts, hanging));
    while (asked < 8) await scheduler.wait(1);
    expect(await codeOf(storeBody(unknownLength(data), facts, to))).toBe('unavailable');
    confirm();
    expect((await Promise.all(eight)).flat()).toHaveLength(8);
    expect(await codeOf(storeBody(unknownLength(data), facts, to))).toBe('success');
  });

  test('without a place to set it aside, only a body of known MD5 or a small one is taken', async () => {
    const { data, hash } = await randomBlock(5 * MIB);
    const to = { ...place().to, aside: undefined };
    expect(await codeOf(storeBody(bodyOf(data), { length: data.length, isNative: true }, to))).toBe('length_required');
    expect(await codeOf(storeBody(unknownLength(data), { length: null, isNative: false }, to))).toBe('length_required');
    expect(await codeOf(storeBody(bodyOf(data), { length: data.length, isNative: true, md5: hash }, to))).toBe(
      'success',
    );
    expect(await codeOf(storeBody(unknownLength(data.slice(0, 99)), { length: null, isNative: false }, to))).toBe(
      'success',
    );
  });
});
