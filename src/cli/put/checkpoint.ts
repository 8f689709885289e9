import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fsyncSync,
  futimesSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { bareLocator } from '../../keep/locator.ts';
import type { Part } from '../../keep/plan-blocks.ts';
import { reasonOf } from '../block-jobs.ts';
import { CliError } from '../cli-error.ts';
import { fsPath, makeDirectories } from '../fs-path.ts';
import { type Lock, type LockTimes, takeLock, tryLock } from '../lock.ts';
import type { SourceFile } from './walk.ts';

/** Where a part's bytes are: at `offset` in a block. */
export interface KnownPart {
  /** `hash+size`. */
  block: string;
  offset: number;
}

/**
 * Progress of an upload on disk: an append-only file of JSON lines. A line is written as soon as a block is
 * acknowledged, so SIGKILL loses nothing; it is synced every second, so a power failure loses a second. Incomplete lines
 * are skipped.
 */
export interface Checkpoint {
  /** Signed locators by `hash+size`: the latest of each. */
  locators: Map<string, string>;
  /** The collection that holds what is stored so far, or null. */
  collection: SavedCollection | null;
  /** The collection that an earlier run of this upload completed, or null. */
  completed: string | null;
  /** Where this part is, if the file is still the same. */
  find(file: SourceFile, part: Part): KnownPart | null;
  /** Records a stored block and the parts in it, in order. */
  addBlock(locator: string, parts: readonly { file: SourceFile; part: Part }[]): void;
  addRenewed(locators: readonly string[]): void;
  setCollection(collection: SavedCollection): void;
  /** The collection is complete, or is not to be used any more (null): keeps the blocks, drops the collection. */
  finish(completed: string | null): void;
  close(): void;
}

export interface SavedCollection {
  uuid: string;
  /** What was saved, when an upload ended with some files missing. */
  portableDataHash?: string;
}

/** One line of the file. `collection` is null after a complete upload, and `completed` its UUID. */
type Line =
  | { block: string; parts: [string, number][] }
  | { renewed: string[] }
  | { collection: SavedCollection | null; completed?: string };

const SYNC_AFTER_MS = 1_000;
const READ_BYTES = 1 << 20;
/** What a process that was killed while it took a lock has left. */
const LOCK_DRAFT = /\.lock\.[0-9a-f]{12}$/;
/** Checkpoints unused for so long are removed: the signatures of their blocks have expired. */
const FORGET_AFTER_MS = 90 * 24 * 60 * 60 * 1000;

/** @param key what is uploaded and where to: the same upload gets the same checkpoint */
export function checkpointFile(key: readonly string[], env: Record<string, string | undefined> = process.env): string {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 32);
  const cache = env.XDG_CACHE_HOME || join(env.HOME ?? homedir(), '.cache');
  return join(cache, 'keep-edge', 'put', `${digest}.log`);
}

/**
 * Opens or creates a checkpoint and locks it. Removes old checkpoints beside it.
 * @param resume false discards what is in it
 */
export async function openCheckpoint(
  file: string,
  { resume, times }: { resume: boolean; times?: LockTimes },
): Promise<Checkpoint> {
  makeDirectory(dirname(file));
  const lock = await takeLock(`${file}.lock`, 'uploading the same paths', { times });
  try {
    return openLocked(file, resume, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function openLocked(file: string, resume: boolean, lock: Lock): Checkpoint {
  forgetOthers(file);
  if (!resume) rmSync(file, { force: true });
  const parts = new Map<string, KnownPart>();
  const state = readCheckpoint(file, parts);
  const descriptor = openSync(file, 'a', 0o600);
  // Marks it as used, even if nothing is written.
  futimesSync(descriptor, new Date(), new Date());
  fsyncDirectory(dirname(file));
  let timer: NodeJS.Timeout | null = null;
  let text = state.endsWithLine ? '' : '\n';

  const append = (line: Line) => {
    lock.check();
    text += `${JSON.stringify(line)}\n`;
    try {
      writeSync(descriptor, text);
    } catch (error) {
      throw new CliError(`${file}: ${reasonOf(error)}. The progress of uploads is kept there.`);
    }
    text = '';
    timer ??= setTimeout(() => {
      timer = null;
      fdatasync(descriptor, () => undefined);
    }, SYNC_AFTER_MS);
  };
  const checkpoint: Checkpoint = {
    locators: state.locators,
    collection: state.collection,
    completed: state.completed,
    find: (source, part) => parts.get(partKey(source, part)) ?? null,
    addBlock(locator, stored) {
      let offset = 0;
      const entries = stored.map(({ file: source, part }): [string, number] => {
        const entry: [string, number] = [partKey(source, part), offset];
        offset += part.length;
        return entry;
      });
      recordBlock(parts, state.locators, locator, entries);
      append({ block: locator, parts: entries });
    },
    addRenewed(locators) {
      for (const locator of locators) state.locators.set(bareLocator(locator), locator);
      append({ renewed: [...locators] });
    },
    setCollection(collection) {
      checkpoint.collection = collection;
      append({ collection });
    },
    finish(completed) {
      checkpoint.collection = null;
      append({ collection: null, ...(completed === null ? {} : { completed }) });
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      fsyncSync(descriptor);
      closeSync(descriptor);
      lock.release();
    },
  };
  return checkpoint;
}

function makeDirectory(directory: string): void {
  try {
    makeDirectories(directory, 0o700);
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw new CliError(
      `${directory}: ${reasonOf(error)}. The progress of uploads is kept there: set XDG_CACHE_HOME to a directory that you can write.`,
    );
  }
}

function forgetOthers(file: string): void {
  for (const name of readdirSync(dirname(file))) {
    const other = join(dirname(file), name);
    const isDraft = LOCK_DRAFT.test(name);
    if (other === file || !(isDraft || name.endsWith('.log'))) continue;
    try {
      if (Date.now() - statSync(other).mtimeMs < FORGET_AFTER_MS) continue;
      if (isDraft) {
        rmSync(other);
        continue;
      }
      const lock = tryLock(`${other}.lock`);
      if (lock === null) continue;
      rmSync(other, { force: true });
      lock.release();
    } catch {
      // Another process has removed it.
    }
  }
}

/** A digest: the file must not tell names. */
function partKey({ source, stamp }: SourceFile, { offset, length }: Part): string {
  return createHash('sha1')
    .update(fsPath(source))
    .update(`\0${stamp}\0${offset}\0${length}`)
    .digest('base64url')
    .slice(0, 20);
}

function recordBlock(
  parts: Map<string, KnownPart>,
  locators: Map<string, string>,
  locator: string,
  entries: readonly [string, number][],
): void {
  const block = bareLocator(locator);
  locators.set(block, locator);
  for (const [key, offset] of entries) parts.set(key, { block, offset });
}

function readCheckpoint(file: string, parts: Map<string, KnownPart>) {
  const locators = new Map<string, string>();
  let collection: SavedCollection | null = null;
  let completed: string | null = null;
  let endsWithLine = true;
  for (const text of existsSync(file) ? lines(file) : []) {
    endsWithLine = text.endsWith('\n');
    const line = parseLine(text);
    if (line === null) continue;
    if ('block' in line) recordBlock(parts, locators, line.block, line.parts);
    else if ('renewed' in line) for (const locator of line.renewed) locators.set(bareLocator(locator), locator);
    else if ('collection' in line) {
      collection = line.collection;
      completed = line.completed ?? completed;
    }
  }
  return { locators, collection, completed, endsWithLine };
}

function parseLine(text: string): Line | null {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === 'object' && line !== null ? (line as Line) : null;
  } catch {
    return null;
  }
}

/** Lines with their newlines; the file may be large. */
function* lines(file: string): Generator<string> {
  const descriptor = openSync(file, 'r');
  const buffer = Buffer.alloc(READ_BYTES);
  let rest = '';
  try {
    for (let count = readSync(descriptor, buffer); count > 0; count = readSync(descriptor, buffer)) {
      // Lines are ASCII: a chunk never ends inside a character.
      rest += buffer.toString('latin1', 0, count);
      const complete = rest.split('\n');
      rest = complete.pop() ?? '';
      for (const line of complete) yield `${line}\n`;
    }
    if (rest !== '') yield rest;
  } finally {
    closeSync(descriptor);
  }
}

function fsyncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
