import { expect, test } from 'vitest';
import { fuzz } from '../fuzz/target.ts';
import { TARGETS } from '../fuzz/targets/all.ts';

/** A glimpse of `npm run test:fuzz`, which tries a million inputs each. In CI always the same: it judges the change. */
const INPUTS = 1500;
const seed = Number(process.env.FUZZ_SEED ?? (process.env.CI ? 1 : Date.now() % 2 ** 31));

test.each(TARGETS)(
  '$name: takes or refuses whatever comes',
  async (target) => {
    const result = await fuzz(target, { seed, inputs: INPUTS, limitMs: 30_000, longEvery: 100 });
    expect(result.inputs, `seed ${seed}`).toBeGreaterThan(target.seeds.length);
  },
  60_000,
);
