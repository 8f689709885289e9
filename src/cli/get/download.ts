import { closeSync, openSync } from 'node:fs';
import type { KeepClient } from '../../services/keep-client.ts';
import { CliError } from '../cli-error.ts';
import { plural } from '../human-format.ts';
import { showName } from '../terminal.ts';
import { checkBlocks, type Verdict } from './check-blocks.ts';
import { fetchBlocks } from './fetch-blocks.ts';
import type { BlockUse, GetPlan } from './fetch-plan.ts';
import { makeDirectories, makeRoom, partFile, putInPlace, statesOf } from './targets.ts';

export interface DownloadCounts {
  bytesDone: number;
  /** Of blocks that are not complete yet. */
  bytesUnderWay: number;
  /** Bytes received, failed attempts included. */
  bytesMoved: number;
  bytesFetched: number;
  blocksFetched: number;
  /** Files that were complete before. */
  filesSkipped: number;
}

const MAX_NAMED = 5;

/**
 * Writes a plan's files. What is on disk already, complete or begun, is hashed, and only the rest is fetched.
 * @param force replaces files that are there with other contents
 * @throws CliError when such files are in the way; ServicesError
 */
export async function download(
  { targets, blocks }: GetPlan,
  { keep, jobs, force, signal, counts }: DownloadOptions,
): Promise<void> {
  makeDirectories(targets);
  const states = statesOf(targets);
  const inTheWay = targets.filter((_, index) => states[index] === 'other');
  if (!force) refuse(inTheWay.map(({ target }) => target));

  const verdicts = new Map<BlockUse, Verdict>();
  const stands = blocks.filter(({ chunks }) => chunks.some(({ target }) => isThere(states[target])));
  const fileOf = (index: number): string | null => {
    const target = targets[index]?.target ?? '';
    const state = states[index];
    return state === 'there' ? target : state === 'begun' ? partFile(target) : null;
  };
  await checkBlocks(stands, fileOf, (block, verdict) => verdicts.set(block, verdict));
  const complete = targets.map((_, index) => states[index] === 'there');
  const differing = new Set<string>();
  for (const { chunks, verdict } of judged(blocks, verdicts)) {
    if (verdict === 'present') continue;
    for (const { target } of chunks) {
      // Of a block in several files, one hash says only that some file differs.
      if (complete[target] && verdict === 'different' && chunks.length === 1)
        differing.add(targets[target]?.target ?? '');
      complete[target] = false;
    }
  }
  if (!force) refuse([...differing]);
  counts.filesSkipped = complete.filter(Boolean).length;

  const waiting = new Map<number, number>();
  const needed: BlockUse[] = [];
  for (const block of blocks) {
    const isPresent = verdicts.get(block) === 'present';
    const chunks = block.chunks.filter(({ target }) => !complete[target] && !(isPresent && states[target] === 'begun'));
    counts.bytesDone += sum(block.chunks) - sum(chunks);
    if (chunks.length === 0) continue;
    for (const { target } of chunks) waiting.set(target, (waiting.get(target) ?? 0) + 1);
    needed.push({ ...block, chunks });
  }
  const rooms = new Set(
    needed.flatMap(({ chunks }) => chunks.filter(({ whole }) => !whole).map(({ target }) => target)),
  );
  for (const index of rooms) makeRoom(targets[index]?.target ?? '', targets[index]?.size ?? 0);

  const refused: string[] = [];
  const settle = (index: number) => {
    const target = targets[index]?.target ?? '';
    if (!putInPlace(target, { force, isFree: states[index] === 'absent' || states[index] === 'begun' }))
      refused.push(target);
  };
  for (const [index, { target, size }] of targets.entries()) {
    if (size === 0 && !complete[index]) {
      closeSync(openSync(partFile(target), 'w'));
      settle(index);
    } else if (!complete[index] && !waiting.has(index)) settle(index);
  }
  await fetchBlocks({
    keep,
    blocks: needed,
    jobs,
    signal,
    fileOf: (index) => partFile(targets[index]?.target ?? ''),
    onBytes(bytes) {
      counts.bytesUnderWay += bytes;
      counts.bytesMoved += Math.max(0, bytes);
    },
    onBlock({ chunks, size }) {
      counts.bytesDone += sum(chunks);
      counts.bytesFetched += size;
      counts.blocksFetched++;
      for (const { target } of chunks) {
        const left = (waiting.get(target) ?? 1) - 1;
        waiting.set(target, left);
        if (left === 0) settle(target);
      }
    },
  });
  refuse(refused);
}

export interface DownloadOptions {
  keep: KeepClient;
  jobs: number;
  force: boolean;
  signal: AbortSignal;
  counts: DownloadCounts;
}

function* judged(blocks: readonly BlockUse[], verdicts: ReadonlyMap<BlockUse, Verdict>) {
  for (const block of blocks) yield { chunks: block.chunks, verdict: verdicts.get(block) };
}

function isThere(state: string | undefined): boolean {
  return state === 'there' || state === 'begun';
}

function sum(chunks: readonly { length: number }[]): number {
  return chunks.reduce((total, { length }) => total + length, 0);
}

function refuse(files: readonly string[]): void {
  if (files.length === 0) return;
  const named = files.slice(0, MAX_NAMED).map(showName).join('\n  ');
  throw new CliError(
    `${plural(files.length, 'file')} of other contents in the way (--force replaces):\n  ${named}${files.length > MAX_NAMED ? '\n  ...' : ''}`,
  );
}
