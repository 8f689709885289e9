import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cli, outputOf } from '../support/cli.ts';

const GNU_TIME = '/usr/bin/time';

export interface Measured {
  stdout: string;
  seconds: number;
  /** Of processor time. */
  cpuSeconds: number;
  /** Resident memory at its highest. */
  peakMib: number;
}

/** Runs a command, which must succeed, under `/usr/bin/time -v`. */
export async function measured(
  { env, home }: Pick<Cli, 'env' | 'home'>,
  ...command: readonly string[]
): Promise<Measured> {
  if (!existsSync(GNU_TIME)) throw new Error(`${GNU_TIME} is not there; on Debian: apt-get install time`);
  const file = join(home, 'time.txt');
  const child = spawn(GNU_TIME, ['-v', '-o', file, ...command], { env, cwd: home });
  const started = performance.now();
  const { code, stdout, stderr } = await outputOf(child);
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`${command.slice(1).join(' ')} ended with ${code}: ${stderr.slice(-2000)}`);
  const report = await readFile(file, 'utf8');
  const figure = (name: string) => Number(new RegExp(`${name}[^:]*: ([\\d.]+)`).exec(report)?.[1]);
  return {
    stdout: stdout.replace(/\n$/, ''),
    seconds,
    cpuSeconds: figure('User time') + figure('System time'),
    peakMib: figure('Maximum resident set size') / 1024,
  };
}
