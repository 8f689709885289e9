import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createUser } from './api.ts';
import type { TestService } from './service.ts';

const ENTRY = join(import.meta.dirname, '../../src/cli/keep-edge.ts');

const ABOVE_PERMISSIONS = '-dac_override,-dac_read_search';
const AS_ORDINARY_ROOT = ['setpriv', `--inh-caps=${ABOVE_PERMISSIONS}`, `--bounding-set=${ABOVE_PERMISSIONS}`];
const READ_BUFFER = Buffer.alloc(1 << 20);

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The command line as one user of one service has it, with a home directory of its own. */
export interface Cli {
  home: string;
  token: string;
  env: Record<string, string>;
  /** The program and what stands before the command line's own arguments. */
  command: readonly string[];
  /** Starts a command; the caller waits for it. */
  start(...args: string[]): ChildProcess;
  /** A command's whole output, whatever its exit code. */
  run(...args: string[]): Promise<CliResult>;
  /** Standard output, without the last newline, of a command that must succeed. */
  ok(...args: string[]): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * An ordinary user: an admin's manifests are not checked.
 * @param options.bound takes from root what makes it stand above permissions
 * @param options.entry a bundle, in place of the sources
 */
export async function cliFor(
  service: TestService,
  username: string,
  { bound = false, entry = ENTRY }: { bound?: boolean; entry?: string } = {},
): Promise<Cli> {
  const home = await mkdtemp(join(tmpdir(), 'keep-edge-cli-'));
  const { token } = await createUser(service, username);
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    ARVADOS_API_HOST: service.url,
    ARVADOS_API_TOKEN: token,
  };
  const command = [...(bound && process.getuid?.() === 0 ? AS_ORDINARY_ROOT : []), process.execPath, entry];
  const start = (...args: string[]) => spawn(command[0] ?? '', [...command.slice(1), ...args], { env, cwd: home });
  const run = (...args: string[]) => outputOf(start(...args));
  return {
    home,
    token,
    env,
    command,
    start,
    run,
    async ok(...args) {
      const { code, stdout, stderr } = await run(...args);
      if (code !== 0) throw new Error(`keep-edge ${args.join(' ')} ended with ${code}: ${stderr}`);
      return stdout.replace(/\n$/, '');
    },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  };
}

export async function outputOf(child: ChildProcess): Promise<CliResult> {
  child.stdin?.end();
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([child.stdout, child.stderr].map((s) => (s === null ? '' : text(s))));
  return { code: await ended, stdout: stdout ?? '', stderr: stderr ?? '' };
}

/**
 * Every file, directory and link below a directory: path -> what is there. Files as their SHA-256.
 * @param followLinks takes a link for what it points to
 * @param isLeftOut says which names do not count, with all that is below them
 */
export function treeDigest(
  root: string,
  options: { followLinks?: boolean; isLeftOut?: (name: string) => boolean } = {},
): Record<string, string> {
  const { followLinks = false, isLeftOut = () => false } = options;
  const tree: Record<string, string> = {};
  const pending = [''];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const name of readdirSync(join(root, directory))) {
      if (isLeftOut(name)) continue;
      const path = join(directory, name);
      const stats = (followLinks ? statSync : lstatSync)(join(root, path));
      if (stats.isDirectory()) pending.push(path);
      if (stats.isDirectory()) tree[path] = 'directory';
      else if (stats.isSymbolicLink()) tree[path] = `link to ${readlinkSync(join(root, path))}`;
      else tree[path] = fileDigest(join(root, path));
    }
  }
  return tree;
}

function fileDigest(path: string): string {
  const hash = createHash('sha256');
  const descriptor = openSync(path, 'r');
  try {
    for (let count = 1; count > 0; ) {
      count = readSync(descriptor, READ_BUFFER);
      hash.update(READ_BUFFER.subarray(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
  return hash.digest('hex');
}
