import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sortInTurns } from '../../../src/streams/turns.ts';

test('a list that is sorted in turns is the list that is sorted, equal items in their order', async () => {
  const item = fc.record({ key: fc.integer({ min: 0, max: 500 }), place: fc.integer() });
  const compare = (a: { key: number }, b: { key: number }) => a.key - b.key;
  await fc.assert(
    fc.asyncProperty(
      fc.array(item, { maxLength: 20, size: 'max' }),
      fc.integer({ min: 1, max: 900 }),
      async (some, times) => {
        const items = Array.from({ length: times }, (_, i) =>
          some.map(({ key, place }) => ({ key: (key * (i + 1)) % 501, place })),
        ).flat();
        expect(await sortInTurns(items, compare)).toEqual(items.toSorted(compare));
      },
    ),
    { numRuns: 30 },
  );
});
