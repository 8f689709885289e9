import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './serve.ts';

/**
 * `npm test`: everything there is, cheapest first, up to the first step that fails.
 * Tests that need an S3 server get a real one (Ceph RGW); without one they are skipped with a message, and fail under CI=true.
 */
interface Step {
  name: string;
  command: string[];
  /** File with vitest's totals, for a step that runs tests. */
  report?: string;
}

const WITH_S3 = [join(ROOT, 'test/support/s3/with-s3'), '--auto', '--'];
/** workerd logs each connection that a test breaks off, with a stack of addresses. */
const RUNTIME_NOISE = /^(uncaught )?exception(;| =)|^stack: \S*\/workerd@/;
const reports = await mkdtemp(join(tmpdir(), 'keep-edge-test-'));

const withS3 = await s3IsToBeHad();
const steps: Step[] = [
  { name: 'format and lint', command: ['npm', 'run', '--silent', 'lint'] },
  { name: 'types', command: ['npm', 'run', '--silent', 'types'] },
  vitest('unit and property tests', 'unit'),
  vitest('tests inside the Workers runtime', 'workerd', withS3),
  vitest('end-to-end tests', 'e2e', withS3),
];

let failedStep: string | undefined;
const started = Date.now();
for (const step of steps) {
  console.log(`\n=== ${step.name}`);
  const begun = Date.now();
  const code = await run(step.command);
  console.log(`=== ${step.name}: ${code === 0 ? 'ok' : 'FAILED'} after ${seconds(begun)}`);
  if (code !== 0) {
    failedStep = step.name;
    break;
  }
}

const totals = { passed: 0, failed: 0, skipped: 0 };
for (const { report } of steps) {
  if (report === undefined) continue;
  const { numPassedTests, numFailedTests, numPendingTests } = await readReport(report);
  totals.passed += numPassedTests;
  totals.failed += numFailedTests;
  totals.skipped += numPendingTests;
}
await rm(reports, { recursive: true, force: true });

console.log(`\nTook ${seconds(started)}.${failedStep === undefined ? '' : ` Stopped at: ${failedStep}.`}`);
if (!withS3) console.log('*** The S3 tests were SKIPPED: no S3 server could be started (see above). ***');
if (totals.skipped > 0) console.log(`${totals.skipped} skipped`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = failedStep === undefined ? 0 : 1;

function vitest(name: string, project: string, s3 = false): Step {
  const report = join(reports, `${project}.json`);
  const command = ['vitest', 'run', '--project', project, '--reporter=default', '--reporter=json'];
  return { name, report, command: [...(s3 ? WITH_S3 : []), ...command, `--outputFile.json=${report}`] };
}

/** Starts a server once to see that it works (the first time this fetches Ceph). CI must have one: there the tests fail without. */
async function s3IsToBeHad(): Promise<boolean> {
  console.log('=== a real S3 server for the tests');
  const begun = Date.now();
  const works = (await run([...WITH_S3, 'true'])) === 0;
  console.log(`=== a real S3 server for the tests: ${works ? 'ok' : 'NOT AVAILABLE'} after ${seconds(begun)}`);
  return works;
}

function run([command = '', ...args]: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    // Colours are for a terminal only; vitest would put them into a file as well.
    const env = process.stdout.isTTY ? process.env : { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' };
    const { isTTY } = process.stdout;
    const child = spawn(command, args, { cwd: ROOT, stdio: ['inherit', isTTY ? 'inherit' : 'pipe', 'pipe'], env });
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ] as const) {
      if (from === null) continue;
      createInterface({ input: from }).on('line', (line) => {
        if (!RUNTIME_NOISE.test(line)) to.write(`${line}\n`);
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

async function readReport(file: string) {
  const none = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 };
  const text = await readFile(file, 'utf8').catch(() => null);
  return text === null ? none : (JSON.parse(text) as typeof none);
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
