import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Cli, outputOf } from '../support/cli.ts';
import { eachOf } from '../support/keep.ts';
import type { Expected } from './gateway-buckets.ts';

/** Reads a whole collection with one client and compares every file. */
export type Reader = (cli: Cli, uuid: string, expected: Expected) => Promise<void>;

const LANES = 8;
const MOUNT_MS = 60_000;

/** @param tools directory of the programs of Arvados' SDK */
export function readersWith(tools: string): Record<string, Reader> {
  return {
    'keep-edge get': async (cli, uuid, expected) => {
      await cli.ok('get', uuid, 'copy');
      await compare(join(cli.home, 'copy'), expected);
      await rm(join(cli.home, 'copy'), { recursive: true });
    },
    'arv-get': async (cli, uuid, expected) => {
      const into = join(cli.home, 'arv-get');
      await mkdir(into);
      await succeed(cli, join(tools, 'arv-get'), `${uuid}/`, into);
      await compare(into, expected);
      await rm(into, { recursive: true });
    },
    'arv-mount': async (cli, uuid, expected) => {
      const at = join(cli.home, 'mount');
      await mkdir(at, { recursive: true });
      const command = join(tools, 'arv-mount');
      const parameters = ['--foreground', '--disable-event-listening', '--collection', uuid, at];
      const mount = spawn(command, parameters, { env: cli.env, cwd: cli.home });
      const ended = outputOf(mount);
      try {
        await mounted(at);
        await compare(at, expected);
      } finally {
        await outputOf(spawn('fusermount', ['-u', '-z', at], { env: cli.env }));
        mount.kill();
        await ended;
      }
    },
  };
}

async function compare(root: string, expected: Expected): Promise<void> {
  await eachOf(expected.entries(), LANES, async ([path, hash]) => {
    const found = await md5OfFile(join(root, path));
    if (found !== hash) throw new Error(`${JSON.stringify(path)} has other bytes`);
  });
}

async function mounted(at: string): Promise<void> {
  const { dev } = await stat(join(at, '..'));
  for (const until = Date.now() + MOUNT_MS; Date.now() < until; await setTimeout(100))
    if ((await stat(at)).dev !== dev) return;
  throw new Error('arv-mount did not mount');
}

async function succeed({ env, home }: Cli, command: string, ...parameters: string[]): Promise<void> {
  const { code, stderr } = await outputOf(spawn(command, parameters, { env, cwd: home }));
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr.slice(-2000)}`);
}

async function md5OfFile(path: string): Promise<string> {
  const digest = createHash('md5');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) digest.update(chunk as Buffer);
  return digest.digest('hex');
}
