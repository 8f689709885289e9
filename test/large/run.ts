import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../../dev/serve.ts';
import { createRandom } from '../fuzz/random.ts';
import { PARTS } from './parts.ts';

/**
 * `npm run test:cli-large`: the command line at full size, each part on a service of its own; `-- --only NAME` for one
 * part, `--seed S` for the same moments, `--scale 0.02` for a quick look. Needs some 12 GiB of disk, and a quarter of an hour.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const names = Object.keys(PARTS).filter((name) => values.only === undefined || values.only === name);
if (names.length === 0) throw new Error(`there is no ${values.only}; there are ${Object.keys(PARTS).join(', ')}`);
console.log(`seed ${values.seed}`);
const out = await mkdtemp(join(tmpdir(), 'keep-edge-large-'));
await once(spawn(process.execPath, [join(ROOT, 'dev/build-cli.ts'), out], { stdio: 'inherit' }), 'exit');
let failed = 0;
for (const name of names) {
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
  try {
    await PARTS[name]?.({
      bundle: join(out, 'keep-edge.mjs'),
      random: createRandom(Number(values.seed)),
      scale: Number(values.scale),
      say: (line) => console.log(`${name}: ${line}`),
    });
    console.log(`${name}: ok after ${seconds()}`);
  } catch (error) {
    failed++;
    console.log(`${name}: FAILED after ${seconds()}: ${error instanceof Error ? error.message : error}`);
  }
}
await rm(out, { recursive: true });
console.log(failed === 0 ? 'ALL WELL' : `${failed} FAILED`);
process.exitCode = failed === 0 ? 0 : 1;
