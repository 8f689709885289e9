import { createHash, randomFillSync } from 'node:crypto';
import { parseArgs } from 'node:util';
import { BLOCK_BYTES } from '../test/support/keep.ts';
import type { BenchContext, Subject } from './context.ts';
import { median } from './measure.ts';
import { formatRows, isOver, type Row, saveResults } from './report.ts';
import { archives } from './subjects/archives.ts';
import { balance } from './subjects/balance.ts';
import { blocks } from './subjects/blocks.ts';
import { cli } from './subjects/cli.ts';
import { commits } from './subjects/commits.ts';
import { downloads } from './subjects/downloads.ts';
import { files } from './subjects/files.ts';
import { gateways } from './subjects/gateways.ts';
import { queues } from './subjects/queues.ts';
import { ranges } from './subjects/ranges.ts';
import { records } from './subjects/records.ts';
import { s3 } from './subjects/s3.ts';
import { split } from './subjects/split.ts';

/**
 * `npm run bench [-- NAME...] [--rounds N]`: measures our Worker against a bare one on the same runtime, in turn, in one run.
 * Prints a table for each subject and writes bench/results.json. Run it on a quiet machine; ratios are least affected by noise.
 */
const SUBJECTS: Subject[] = [
  blocks,
  files,
  ranges,
  split,
  downloads,
  archives,
  commits,
  cli,
  queues,
  records,
  balance,
  s3,
  gateways,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' } },
});
const chosen = positionals.length === 0 ? SUBJECTS : SUBJECTS.filter(({ name }) => positionals.includes(name));
if (chosen.length === 0) {
  console.error(`There is no such subject. There are: ${SUBJECTS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const context: BenchContext = {
  rounds: Number(values.rounds),
  say: (line) => console.log(`  ${line}`),
  md5Seconds,
};
const measured: Record<string, Row[]> = {};
for (const subject of chosen) {
  console.log(`\n${subject.name}`);
  const rows = await subject.run(context);
  measured[subject.name] = rows;
  console.log(`\n${formatRows(rows)}`);
}
await saveResults(measured);
const over = Object.values(measured).flat().filter(isOver);
console.log(
  `\n${over.length === 0 ? 'All targets are met.' : `Over target: ${over.map((row) => row.what).join('; ')}`}`,
);
process.exitCode = over.length === 0 ? 0 : 1;

function md5Seconds(): number {
  const block = randomFillSync(new Uint8Array(BLOCK_BYTES));
  const once = () => {
    const before = process.cpuUsage();
    createHash('md5').update(block).digest();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  once();
  return median(Array.from({ length: 9 }, once));
}
