import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { type FuzzResult, show } from './target.ts';
import { TARGETS } from './targets/all.ts';
import type { WorkerData } from './worker.ts';

/**
 * `npm run test:fuzz`: at least a million inputs for every parser, each in a thread of its own with bounded memory, as
 * many at once as there are processors. The seed alone decides a parser's inputs, whatever else runs.
 * `-- --inputs N --seed S --minutes M --only NAME --threads N` repeats a run or a part of it.
 */
const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    /** Longest time for one parser. */
    minutes: { type: 'string', default: '10' },
    threads: { type: 'string', default: String(availableParallelism()) },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
const inputs = Number(values.inputs);
const threads = Number(values.threads);
const LONG_EVERY = 500;
const SHARED_BYTES = 8 + 262_144;
/** Of a parser's thread, beside the bytes of buffers. Twenty to fifty are what it takes. */
const HEAP_MIB = 256;
/** Without a new input for this long, its parser hangs. */
const HANG_MS = 60_000;
const WATCH_EVERY_MS = 2000;

console.log(
  `seed ${seed}: ${inputs} inputs for each parser, at most ${values.minutes} minutes each, ${threads} at once`,
);
const started = performance.now();
const waiting = TARGETS.filter(({ name }) => values.only === undefined || name.includes(values.only));
const results: FuzzResult[] = [];
await Promise.all(
  Array.from({ length: threads }, async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift())
      report(await attack(target.name));
  }),
);
const total = results.reduce((sum, result) => sum + result.inputs, 0);
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(
  `${total} inputs over ${results.length} parsers in ${minutes(performance.now() - started)}; memory at its highest: ${peakMiB} MiB`,
);

type Outcome = { result: FuzzResult } | { finding: string; cause: string };

function attack(name: string): Promise<Outcome> {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const options = { seed, inputs, limitMs: Number(values.minutes) * 60_000, longEvery: LONG_EVERY };
  const worker = new Worker(join(import.meta.dirname, 'worker.ts'), {
    workerData: { name, options, shared } satisfies WorkerData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
  });
  const found = (what: string): Outcome => ({ finding: `${name} ${what}: ${presentInput(shared)}`, cause: '' });
  return new Promise((resolve) => {
    let seen = -1;
    let since = performance.now();
    const watch = setInterval(() => {
      const count = new Int32Array(shared, 0, 1)[0] ?? 0;
      if (count !== seen) since = performance.now();
      else if (seen > 0 && performance.now() - since > HANG_MS) end(found('hangs'));
      seen = count;
    }, WATCH_EVERY_MS);
    const end = (outcome: Outcome) => {
      clearInterval(watch);
      resolve(outcome);
      void worker.terminate();
    };
    worker.on('message', end);
    // Out of memory comes here too.
    worker.on('error', (error: Error) => end({ ...found(error.message), cause: error.stack ?? '' }));
    worker.on('exit', () => end(found('ended without a result')));
  });
}

function presentInput(shared: SharedArrayBuffer): string {
  const length = new Int32Array(shared, 4, 1)[0] ?? 0;
  return show(new TextDecoder().decode(new Uint8Array(shared, 8, length).slice()));
}

function report(outcome: Outcome): void {
  if ('finding' in outcome) {
    process.exitCode = 1;
    console.error(`FOUND (seed ${seed}) ${outcome.finding}\n${outcome.cause}`);
    return;
  }
  const { result } = outcome;
  results.push(result);
  const short = result.inputs < inputs ? ' (CUT SHORT by the time limit)' : '';
  console.log(
    `${result.name}: ${result.inputs} inputs${short}, ${result.long} of them long, ${result.accepted} accepted, ` +
      `${result.refused} refused, ${result.outcomes} kinds of outcome, slowest ${result.slowestMs.toFixed(1)} ms, ` +
      `long ${result.slowestLongMs.toFixed(1)} ms, ${minutes(result.seconds * 1000)}`,
  );
}

function minutes(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
