import fc from 'fast-check';
import { expect, test } from 'vitest';
import { trashWork } from '../../../src/queues/trash.ts';

const work = trashWork({ mounts: [], ttlSeconds: 1, clock: Date.now }, 4);

test('a trash entry comes back from its row with every digit of its time', () => {
  const item = fc.record({
    locator: fc.string(),
    blockMtime: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    mountUuid: fc.string(),
  });
  fc.assert(
    fc.property(item, (entry) => {
      expect(work.decode(work.encode(entry))).toEqual(entry);
    }),
  );
});

test('a row shows no signature', () => {
  expect(
    work.locatorOf({ locator: 'acbd18db4cc2f85cedef654fccc4a4d8+3+Asecret@12345678', blockMtime: 0n, mountUuid: '' }),
  ).toBe('acbd18db4cc2f85cedef654fccc4a4d8+3');
});

test('the platform’s limit of connections is kept, whatever is configured', () => {
  const concurrency = (wanted: number) => trashWork({ mounts: [], ttlSeconds: 1, clock: Date.now }, wanted).concurrency;
  expect([0, 1, 6, 100].map(concurrency)).toEqual([0, 1, 6, 6]);
});
