import { parseArgs } from 'node:util';
import { s3IsRequired } from '../support/s3.ts';
import { brokenS3, failingBindings, killedAtRandom, type ScenarioOptions, type ScenarioResult } from './scenarios.ts';

/** `npm run test:faults`: every class of fault under load; `-- --seed S --rounds N --only NAME` repeats a run or a part. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    rounds: { type: 'string', default: '28' },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
const options: ScenarioOptions = {
  seed,
  rounds: Number(values.rounds),
  width: 8,
  roundMs: 5000,
  onProgress: (line) => console.log(line),
};
const scenarios: Record<string, (options: ScenarioOptions) => Promise<ScenarioResult>> = {
  kill: killedAtRandom,
  bindings: failingBindings,
  ...(s3IsRequired ? { s3: brokenS3 } : {}),
};
console.log(`seed ${seed}`);
let wrong = 0;
for (const [name, scenario] of Object.entries(scenarios)) {
  if (values.only !== undefined && values.only !== name) continue;
  const result = await scenario(options);
  console.log(JSON.stringify(result, null, 1));
  wrong += result.findings.length + result.audit.lost.length;
}
console.log(wrong === 0 ? 'NOTHING LOST' : `${wrong} FINDINGS`);
process.exitCode = wrong === 0 ? 0 : 1;
