import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../../dev/serve.ts';
import { DEFENCES, type Defence } from './defences.ts';

/**
 * `npm run test:defences`: takes one defence away after the other, in a copy, and sees that its test then fails: a test
 * that passes with or without what it is about is none. `-- --only TEXT` picks some by the attack that they stand against.
 */
const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const LIMIT_MS = 240_000;
const copy = await mkdtemp(join(tmpdir(), 'keep-edge-defences-'));
try {
  const skipped = new Set(['node_modules', '.git', 'dist', '.keep-edge', '.wrangler']);
  await cp(ROOT, copy, {
    recursive: true,
    filter: (path) => !skipped.has(path.slice(ROOT.length).split(/[\\/]/)[1] ?? ''),
  });
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  let missed = 0;
  const chosen = DEFENCES.filter(({ against }) => against.includes(values.only));
  for (const defence of chosen) {
    const problem = await without(defence);
    if (problem !== null) missed++;
    console.log(
      `${problem === null ? 'noticed' : `*** ${problem}`}: ${defence.against} (${defence.file}, ${defence.test})`,
    );
  }
  console.log(`${chosen.length - missed} of ${chosen.length} defences are missed by a test when they are gone`);
  if (missed > 0) process.exitCode = 1;
} finally {
  await rm(copy, { recursive: true, force: true });
}

interface Report {
  success: boolean;
  numFailedTests: number;
  numPassedTests: number;
}

/** Null when a test failed, as it should. */
async function without({ file, remove, put, project, test, title }: Defence): Promise<string | null> {
  const path = join(copy, file);
  const text = await readFile(path, 'utf8');
  if (text.split(remove).length !== 2) return 'IS NOT THERE, OR TWICE';
  await writeFile(
    path,
    text.replace(remove, () => put),
  );
  try {
    const only = title === undefined ? [] : ['-t', title];
    const vitest = join(copy, 'node_modules/vitest/vitest.mjs');
    const outputFile = join(copy, 'report.json');
    const args = [vitest, 'run', '--project', project, '--reporter', 'json', '--outputFile', outputFile, test, ...only];
    spawnSync(process.execPath, args, { cwd: copy, timeout: LIMIT_MS, stdio: 'ignore' });
    const report = JSON.parse(await readFile(outputFile, 'utf8')) as Report;
    await rm(outputFile);
    // Some are noticed when all is over: what was logged is searched then.
    if (report.numFailedTests === 0 && (report.success || report.numPassedTests === 0))
      return report.numPassedTests === 0 ? 'NO TEST RAN' : 'NOT NOTICED';
    return null;
  } finally {
    await writeFile(path, text);
  }
}
