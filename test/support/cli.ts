import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chown, mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createUser } from './api.ts';
import type { TestService } from './service.ts';

const ENTRY = join(import.meta.dirname, '../../src/cli/keep-edge.ts');

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
 * @param uid of the operating system, for those who may give one: root is above permissions
 */
export async function cliFor(service: TestService, username: string, { uid }: { uid?: number } = {}): Promise<Cli> {
  const home = await mkdtemp(join(tmpdir(), 'keep-edge-cli-'));
  if (uid !== undefined) await chown(home, uid, uid);
  const { token } = await createUser(service, username);
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    ARVADOS_API_HOST: service.url,
    ARVADOS_API_TOKEN: token,
  };
  const start = (...args: string[]) =>
    spawn(process.execPath, [ENTRY, ...args], { env, cwd: home, ...(uid === undefined ? {} : { uid, gid: uid }) });
  const run = (...args: string[]) => outputOf(start(...args));
  return {
    home,
    token,
    env,
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

/** Every file, directory and link below a directory: path -> what is there. Files as their SHA-256. */
export async function treeDigest(root: string): Promise<Record<string, string>> {
  const tree: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(root.length + 1);
    if (entry.isDirectory()) tree[name] = 'directory';
    else if (entry.isSymbolicLink()) tree[name] = `link to ${await readlink(path)}`;
    else tree[name] = await fileDigest(path);
  }
  return tree;
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}
