import { closeSync, constants, ftruncateSync, openSync } from 'node:fs';
import { formatBytes, plural } from '../../keep/human-format.ts';
import type { KeepClient } from '../../services/keep-client.ts';
import { reasonOf } from '../block-jobs.ts';
import { CliError } from '../cli-error.ts';
import { fsPath } from '../fs-path.ts';
import { showName } from '../terminal.ts';
import { checkBlocks, type Verdict } from './check-blocks.ts';
import type { Destination } from './destination.ts';
import { fetchBlocks } from './fetch-blocks.ts';
import type { BlockUse, GetPlan, TargetFile } from './fetch-plan.ts';
import type { ReadRange } from './range-reader.ts';
import { statesOf } from './targets.ts';

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
  /** Files in their place. */
  filesDone: number;
}

const MAX_NAMED = 5;
/** Of Stats.blocks. */
const STAT_BLOCK_BYTES = 512;
const { O_WRONLY, O_CREAT, O_NOFOLLOW = 0 } = constants;

/**
 * Writes a plan's files. What is on disk already, complete or begun, is hashed, and only the rest is fetched.
 * @param force replaces files that are there with other contents
 * @throws CliError when such files are in the way; ServicesError
 */
export async function download(
  { root, targets, directories, blocks }: GetPlan,
  { keep, jobs, force, signal, counts, destination, ranges }: DownloadOptions,
): Promise<void> {
  makeDirectories(targets, directories, destination);
  const states = statesOf(targets, destination.begun);
  const parts: string[] = [];
  const partOf = (index: number) => {
    parts[index] ??= destination.partOf(targets[index]?.name ?? '');
    return parts[index];
  };
  const fileError = (index: number, what: string) =>
    new CliError(`${showName(targets[index]?.target ?? '')}: ${what}. Run the same command again to go on.`);
  const inTheWay = targets.filter((_, index) => states[index] === 'other');
  if (!force) refuse(inTheWay.map(({ target }) => target));

  const verdicts = new Map<BlockUse, Verdict>();
  const stands = blocks.filter(({ chunks }) => chunks.some(({ target }) => isThere(states[target])));
  const fileOf = (index: number): string | null => {
    const target = targets[index]?.target ?? '';
    const state = states[index];
    return state === 'there' ? target : state === 'begun' ? partOf(index) : null;
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
  counts.filesDone = counts.filesSkipped;

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
  checkSpace(destination, targets, complete, root);
  for (const index of rooms) makeRoom(partOf(index), targets[index]?.size ?? 0, (what) => fileError(index, what));

  const refused: string[] = [];
  const settle = (index: number) => {
    const { target = '', name = '' } = targets[index] ?? {};
    if (destination.putInPlace(partOf(index), name, force)) counts.filesDone++;
    else refused.push(target);
  };
  for (const [index, { size }] of targets.entries()) {
    if (size === 0 && !complete[index]) {
      makeRoom(partOf(index), 0, (what) => fileError(index, what));
      settle(index);
    } else if (!complete[index] && !waiting.has(index)) settle(index);
  }
  await fetchBlocks({
    keep,
    blocks: needed,
    jobs,
    signal,
    fileOf: partOf,
    readRange:
      ranges === null
        ? null
        : (index, offset, length, either) => ranges({ path: targets[index]?.source ?? '', offset, length }, either),
    fileError,
    onBytes(bytes) {
      counts.bytesUnderWay += bytes;
      counts.bytesMoved += Math.max(0, bytes);
    },
    onBlock({ chunks }, fetched) {
      counts.bytesDone += sum(chunks);
      counts.bytesFetched += fetched;
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
  destination: Destination;
  /** Reads small parts of large blocks; null to fetch whole blocks. */
  ranges: ReadRange | null;
}

/** Also of the files' directories: a collection names most of them only through its files. */
function makeDirectories(
  targets: readonly TargetFile[],
  directories: readonly string[],
  destination: Destination,
): void {
  const names = new Set(directories);
  for (const { name } of targets) names.add(name.slice(0, Math.max(0, name.lastIndexOf('/'))));
  for (const name of names) destination.makeDirectory(name);
}

/** @throws CliError when what is missing does not fit on the disk */
function checkSpace(
  destination: Destination,
  targets: readonly TargetFile[],
  complete: readonly boolean[],
  root: string,
): void {
  const free = destination.freeBytes();
  if (free === null) return;
  let missing = 0;
  for (const [index, { name, size }] of targets.entries()) {
    // A file that was begun has holes where its blocks are missing.
    if (!complete[index]) missing += Math.max(0, size - (destination.begun(name)?.blocks ?? 0) * STAT_BLOCK_BYTES);
  }
  if (missing > free)
    throw new CliError(
      `Not enough space in ${showName(root)}: ${formatBytes(missing)} are still to come, ${formatBytes(free)} are free.`,
    );
}

/** Sets the length of a file that is filled chunk by chunk; holes take no space. */
function makeRoom(part: string, size: number, fail: (what: string) => Error): void {
  try {
    const descriptor = openSync(fsPath(part), O_WRONLY | O_CREAT | O_NOFOLLOW, 0o666);
    try {
      ftruncateSync(descriptor, size);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw fail(reasonOf(error));
  }
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
