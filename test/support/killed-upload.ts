import { randomFillSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Cli, outputOf } from './cli.ts';
import type { TestService } from './service.ts';
import { accepted, type UploadLedger, uploadLedger } from './upload-ledger.ts';

/** Two of these do not fit into one block: every file is a block of its own. */
export const LONE_FILE_BYTES = 33 << 20;

const SMALL_FILES = 200;

/** Files that become one block each, and small ones that share one. */
export async function makeBlockFiles(directory: string, blocks: number): Promise<void> {
  await mkdir(directory, { recursive: true });
  const bytes = new Uint8Array(LONE_FILE_BYTES);
  for (let number = 0; number < blocks; number++)
    await writeFile(join(directory, `file ${number}`), randomFillSync(bytes));
  for (let number = 0; number < SMALL_FILES; number++)
    await writeFile(join(directory, `small ${number}`), `small ${number}`);
}

/** Waits until the service has accepted one more block, or `end` has come. */
export async function nextBlock(service: TestService, end?: Promise<unknown>): Promise<void> {
  let isOver = false;
  void end?.then(() => {
    isOver = true;
  });
  const total = () => [...accepted(service).values()].reduce((sum, count) => sum + count, 0);
  const before = total();
  while (!isOver && total() === before) await setTimeout(5);
}

export interface Kills {
  service: TestService;
  cli: Cli;
  /** The upload's command line. */
  put: readonly string[];
  kills: number;
  /** 0 to 1. */
  random?: () => number;
  onKill?: (number: number, known: number) => void;
}

/**
 * Starts an upload and kills it, over and over: at any moment, and when a block has just come to the service, before
 * and after it is on record. @returns what the service was sent; `early` counts runs that ended before their kill
 */
export async function killRepeatedly(options: Kills): Promise<{ ledger: UploadLedger; early: number }> {
  const { service, cli, put, kills, random = Math.random, onKill } = options;
  const ledger = uploadLedger(service, cli);
  let early = 0;
  for (let kill = 0; kill < kills; kill++) {
    const child = cli.start(...put);
    const ended = outputOf(child);
    if (kill % 3 === 0) await nextBlock(service, ended);
    else await setTimeout(100 + random() * 1500);
    await setTimeout(random() * 200);
    child.kill('SIGKILL');
    if ((await ended).code !== null) early++;
    await ledger.look();
    onKill?.(kill + 1, ledger.known.size);
  }
  return { ledger, early };
}
