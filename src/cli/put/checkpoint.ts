import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fsyncSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { bareLocator } from '../../keep/locator.ts';
import { reasonOf } from '../block-jobs.ts';
import { CliError } from '../cli-error.ts';
import type { Part } from './plan.ts';
import type { SourceFile } from './walk.ts';

/** Where a part's bytes are: at `offset` in a block. */
export interface KnownPart {
  /** `hash+size`. */
  block: string;
  offset: number;
}

/**
 * What an upload has reached, on disk: a file that only grows, one JSON record a line. A record is written as soon as
 * a block is acknowledged, so that SIGKILL loses nothing; every second it is brought to the disk, so that a power
 * failure loses a second. A line that was cut off is passed over.
 */
export interface Checkpoint {
  /** Signed locators by `hash+size`: the latest of each. */
  locators: Map<string, string>;
  /** The collection that holds what is stored so far, or null. */
  collection: SavedCollection | null;
  /** Where this part is, if the file is still the same. */
  find(file: SourceFile, part: Part): KnownPart | null;
  /** A block is stored, and these parts are in it one after the other. */
  addBlock(locator: string, parts: readonly { file: SourceFile; part: Part }[]): void;
  addRenewed(locators: readonly string[]): void;
  setCollection(collection: SavedCollection): void;
  /** The upload is complete: its blocks stay known, its collection is not touched again. */
  finish(): void;
  close(): void;
}

export interface SavedCollection {
  uuid: string;
  /** Of an upload that came to its end with some files missing: what was saved then. */
  portableDataHash?: string;
}

/** `null` in place of a finished collection. */
type Line =
  | { block: string; parts: [string, number][] }
  | { renewed: string[] }
  | { collection: SavedCollection | null };

const SYNC_AFTER_MS = 1_000;
const READ_BYTES = 1 << 20;
/** An upload that nobody went on with for so long is forgotten: the signatures of its blocks have expired. */
const FORGET_AFTER_MS = 90 * 24 * 60 * 60 * 1000;

/** @param key says what is uploaded and where: the same upload finds its checkpoint by it */
export function checkpointFile(key: readonly string[], env: Record<string, string | undefined> = process.env): string {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 32);
  const cache = env.XDG_CACHE_HOME || join(env.HOME ?? homedir(), '.cache');
  return join(cache, 'keep-edge', 'put', `${digest}.log`);
}

/**
 * Opens a checkpoint, or begins it; nobody else may have it open. Removes those beside it that are no longer of use.
 * @param resume false forgets what is in it
 */
export function openCheckpoint(file: string, { resume }: { resume: boolean }): Checkpoint {
  makeDirectory(dirname(file));
  const unlock = lock(`${file}.lock`);
  forgetOthers(file);
  if (!resume) rmSync(file, { force: true });
  const parts = new Map<string, KnownPart>();
  const state = readCheckpoint(file, parts);
  const descriptor = openSync(file, 'a', 0o600);
  // It is in use, even if nothing comes to be written.
  futimesSync(descriptor, new Date(), new Date());
  fsyncDirectory(dirname(file));
  let timer: NodeJS.Timeout | null = null;
  let text = state.endsWithLine ? '' : '\n';

  const append = (line: Line) => {
    text += `${JSON.stringify(line)}\n`;
    writeSync(descriptor, text);
    text = '';
    timer ??= setTimeout(() => {
      timer = null;
      fdatasync(descriptor, () => undefined);
    }, SYNC_AFTER_MS);
  };
  const checkpoint: Checkpoint = {
    locators: state.locators,
    collection: state.collection,
    find: (source, part) => parts.get(partKey(source, part)) ?? null,
    addBlock(locator, stored) {
      let offset = 0;
      const entries = stored.map(({ file: source, part }): [string, number] => {
        const entry: [string, number] = [partKey(source, part), offset];
        offset += part.length;
        return entry;
      });
      remember(parts, state.locators, locator, entries);
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
    finish() {
      checkpoint.collection = null;
      append({ collection: null });
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      fsyncSync(descriptor);
      closeSync(descriptor);
      unlock();
    },
  };
  return checkpoint;
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw new CliError(
      `${directory}: ${reasonOf(error)}. What an upload has reached is kept there: set XDG_CACHE_HOME to a directory that you can write.`,
    );
  }
}

function forgetOthers(file: string): void {
  for (const name of readdirSync(dirname(file))) {
    const other = join(dirname(file), name);
    if (other === file || !name.endsWith('.log')) continue;
    try {
      if (Date.now() - statSync(other).mtimeMs < FORGET_AFTER_MS) continue;
      const unlock = lock(`${other}.lock`);
      rmSync(other, { force: true });
      unlock();
    } catch {
      // Somebody else has it open, or has removed it.
    }
  }
}

/** Short, and says nothing about names to those who find the file. */
function partKey({ source, stamp }: SourceFile, { offset, length }: Part): string {
  return createHash('sha1').update(`${source}\0${stamp}\0${offset}\0${length}`).digest('base64url').slice(0, 20);
}

function remember(
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
  let endsWithLine = true;
  for (const text of existsSync(file) ? lines(file) : []) {
    endsWithLine = text.endsWith('\n');
    const line = parseLine(text);
    if (line === null) continue;
    if ('block' in line) remember(parts, locators, line.block, line.parts);
    else if ('renewed' in line) for (const locator of line.renewed) locators.set(bareLocator(locator), locator);
    else if ('collection' in line) collection = line.collection;
  }
  return { locators, collection, endsWithLine };
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
      // Records are ASCII: no character is ever cut in two.
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

/** A lock is a file with the process's id in it; one that a dead process left behind does not count. */
function lock(file: string): () => void {
  for (;;) {
    try {
      const descriptor = openSync(file, 'wx', 0o600);
      writeSync(descriptor, String(process.pid));
      closeSync(descriptor);
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const owner = Number(readFileSync(file, 'utf8'));
      if (owner !== process.pid && isAlive(owner))
        throw new CliError(
          `Another keep-edge (process ${owner}) is uploading the same paths. If that is not so, remove ${file}.`,
        );
      rmSync(file, { force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    if (pid > 0) process.kill(pid, 0);
    return pid > 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
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
