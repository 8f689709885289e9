import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_BLOCK_BYTES } from '../../../src/keep/limits.ts';
import { partCount, planBlocks } from '../../../src/keep/plan-blocks.ts';

const sizes = fc.array(
  fc.oneof(
    fc.nat(100_000),
    fc.nat(3 * MAX_BLOCK_BYTES),
    fc.constantFrom(0, 1, MAX_BLOCK_BYTES - 1, MAX_BLOCK_BYTES, MAX_BLOCK_BYTES + 1),
  ),
  { maxLength: 60 },
);

test('every byte of every file is in exactly one place, in order, and no block is over the limit', () => {
  fc.assert(
    fc.property(sizes, (all) => {
      const reached = all.map(() => new Set<number>());
      for (const { parts, size } of planBlocks(all.map((size) => ({ size })))) {
        expect(size).toBe(parts.reduce((sum, { length }) => sum + length, 0));
        expect(size).toBeLessThanOrEqual(MAX_BLOCK_BYTES);
        for (const { file, offset, length } of parts) {
          expect(offset % MAX_BLOCK_BYTES).toBe(0);
          expect(length).toBe(Math.min(MAX_BLOCK_BYTES, all[file]! - offset));
          expect(reached[file]!.has(offset)).toBe(false);
          reached[file]!.add(offset);
        }
      }
      expect(reached.map((offsets) => offsets.size)).toEqual(all.map(partCount));
    }),
  );
});

test('small files share blocks that are full but for what the next file would not fit in', () => {
  const files = Array.from({ length: 1000 }, (_, index) => ({ size: 300_000 + index }));
  const blocks = [...planBlocks(files)];
  for (const { size } of blocks.slice(0, -1)) expect(size).toBeGreaterThan(MAX_BLOCK_BYTES - 301_000);
});
