import { expect, test } from 'vitest';
import { deflateBlock } from '../../../src/genomics/bgzf.ts';
import type { RangedFile } from '../../../src/genomics/ranged-file.ts';
import { MAX_PART_BYTES, splitRanges } from '../../../src/genomics/split.ts';

/** A file of one block repeated: as large as wanted, and nothing of it in memory. */
async function repeated(count: number): Promise<{ file: RangedFile; block: number }> {
  const block = await deflateBlock(Uint8Array.from({ length: 60_000 }, (_, i) => (i * 7919) & 255));
  const size = block.byteLength;
  const file: RangedFile = {
    size: size * count,
    read: async (offset, length) => Uint8Array.from({ length }, (_, i) => block[(offset + i) % size] ?? 0),
  };
  return { file, block: size };
}

test('parts of a large file are at most 512 MiB, and are cut between blocks, with an index and without', async () => {
  const { file, block } = await repeated(Math.ceil((2.2 * MAX_PART_BYTES) / 1000));
  const range = { start: block * 3, end: block * Math.floor(file.size / block) };
  const known = [block * 10, block * Math.floor((0.9 * MAX_PART_BYTES) / block)];
  for (const starts of [[], known]) {
    const parts = await splitRanges(file, [range], starts, true);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts[0]?.start).toBe(range.start);
    expect(parts.at(-1)?.end).toBe(range.end);
    for (const [i, { start, end }] of parts.entries()) {
      expect(end - start).toBeLessThanOrEqual(MAX_PART_BYTES);
      expect(start % block).toBe(0);
      if (i > 0) expect(start).toBe(parts[i - 1]?.end);
    }
  }
});
