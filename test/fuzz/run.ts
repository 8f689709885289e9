import { parseArgs } from 'node:util';
import { Finding, type FuzzResult, fuzz } from './target.ts';
import { TARGETS } from './targets/all.ts';

/**
 * `npm run test:fuzz`: at least a million inputs for every parser. `-- --inputs N --seed S --minutes M --only NAME`
 * repeats a run or a part of it.
 */
const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    /** Longest time for one parser. */
    minutes: { type: 'string', default: '10' },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
const inputs = Number(values.inputs);
const limitMs = Number(values.minutes) * 60_000;
console.log(`seed ${seed}: ${inputs} inputs for each parser, at most ${values.minutes} minutes each`);

const results: FuzzResult[] = [];
for (const target of TARGETS.filter(({ name }) => values.only === undefined || name.includes(values.only))) {
  try {
    const result = await fuzz(target, { seed, inputs, limitMs, onProgress });
    results.push(result);
    const { accepted, refused, outcomes, slowestMs, seconds } = result;
    const short = result.inputs < inputs ? ' (CUT SHORT by the time limit)' : '';
    console.log(
      `\r${target.name}: ${result.inputs} inputs${short}, ${accepted} accepted, ${refused} refused, ${outcomes} kinds of outcome, ` +
        `slowest ${slowestMs.toFixed(1)} ms, ${seconds.toFixed(0)} s`,
    );
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    process.exitCode = 1;
    console.error(`\nFOUND (seed ${seed}) ${error.message}\n`, error.cause ?? '');
  }
}
const total = results.reduce((sum, result) => sum + result.inputs, 0);
console.log(
  `${total} inputs over ${results.length} parsers; memory at the end: ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`,
);

function onProgress(count: number): void {
  if (process.stdout.isTTY) process.stdout.write(`\r${count} `);
}
