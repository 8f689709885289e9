import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, createReadStream, existsSync, openSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { makeDirectories } from '../fs-path.ts';
import { createHashSet } from './hash-set.ts';

export interface BlockAt {
  hash: string;
  size: number;
  /** A collection that names it. */
  collection: string;
}

export interface Lost {
  locator: string;
  collection: string;
  what: string;
}

export interface CheckCounts {
  /** Collections all of whose blocks were looked at. */
  collections: number;
  /** Different blocks, and their bytes. */
  blocks: number;
  bytes: number;
  /** Blocks that were read and hashed. */
  read: number;
  lost: number;
}

/**
 * What a check has done. Each fact is a line of a file at once, so that an interrupted check goes on. What could not be looked at is
 * not in it: the next run tries that again.
 */
export interface CheckState {
  counts: CheckCounts;
  /** 10,000 at most; `counts.lost` has them all. */
  lost: Lost[];
  /** When the check was begun, RFC 3339. */
  begunAt: string;
  /** Blocks that an earlier run has looked at. */
  before: number;
  hasCollection(uuid: string): boolean;
  hasBlock(hash: string): boolean;
  block(block: BlockAt, isRead: boolean): void;
  /** A loss that is known already, of another look or an earlier run, does not count again. */
  loss(lost: Lost): void;
  /** All its blocks were looked at. */
  collection(uuid: string): void;
  /** The check is complete: nothing is kept. */
  end(): void;
  close(): void;
}

type Line =
  | ['s', begunAt: string]
  | ['b', hash: string, size: number, isRead: 0 | 1, collection: string]
  | ['l', locator: string, collection: string, what: string]
  | ['c', uuid: string];

const MAX_KEPT = 10_000;

export function checkFile(key: readonly string[], env: Record<string, string | undefined> = process.env): string {
  const cache = env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return join(cache, 'keep-edge', 'check', `${createHash('md5').update(JSON.stringify(key)).digest('hex')}.jsonl`);
}

/** @param onBlock called with each block of the file that is not lost, and later with each such one that is added */
export async function openCheckState(
  path: string,
  { resume, onBlock }: { resume: boolean; onBlock: (block: BlockAt, isRead: boolean) => void },
): Promise<CheckState> {
  makeDirectories(dirname(path), 0o700);
  if (!resume) rmSync(path, { force: true });
  const collections = new Set<string>();
  const blocks = createHashSet();
  const read = createHashSet();
  const lostBlocks = createHashSet();
  const counts: CheckCounts = { collections: 0, blocks: 0, bytes: 0, read: 0, lost: 0 };
  const lost: Lost[] = [];
  let begunAt = '';
  const apply = (line: Line) => {
    if (line[0] === 'b') {
      const [, hash, size, isRead, collection] = line;
      if (isRead === 1 && read.add(hash)) counts.read++;
      if (!blocks.add(hash)) return;
      counts.blocks++;
      counts.bytes += size;
      if (!lostBlocks.has(hash)) onBlock({ hash, size, collection }, isRead === 1);
    } else if (line[0] === 'l') {
      if (!lostBlocks.add(line[1].slice(0, 32))) return;
      counts.lost++;
      if (lost.length < MAX_KEPT) lost.push({ locator: line[1], collection: line[2], what: line[3] });
    } else if (line[0] === 'c') {
      collections.add(line[1]);
      counts.collections++;
    } else begunAt ||= line[1];
  };
  for await (const line of linesOf(path)) apply(line);
  const before = counts.blocks;
  const file = openSync(path, 'a', 0o600);
  const add = (line: Line) => {
    apply(line);
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  };
  // A run that was killed may have left half a line.
  if (begunAt !== '') appendFileSync(file, '\n');
  else add(['s', new Date().toISOString()]);
  return {
    counts,
    lost,
    begunAt,
    before,
    hasCollection: (uuid) => collections.has(uuid),
    hasBlock: (hash) => blocks.has(hash),
    block: ({ hash, size, collection }, isRead) => add(['b', hash, size, isRead ? 1 : 0, collection]),
    loss: ({ locator, collection, what }) => add(['l', locator, collection, what]),
    collection: (uuid) => add(['c', uuid]),
    end: () => rmSync(path, { force: true }),
    close: () => closeSync(file),
  };
}

async function* linesOf(path: string): AsyncGenerator<Line, void, undefined> {
  if (!existsSync(path)) return;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    try {
      yield JSON.parse(text) as Line;
    } catch {
      // The last line of a check that was killed.
    }
  }
}
