import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Lost {
  locator: string;
  collection: string;
  what: string;
}

export interface CheckCounts {
  collections: number;
  /** Different blocks, and their bytes. */
  blocks: number;
  bytes: number;
  /** Blocks that were read and hashed. */
  read: number;
  /** Collections whose manifest could not be read. */
  unreadable: number;
}

/** What a check has done. Each fact is a line of a file at once, so that an interrupted check goes on. */
export interface CheckState {
  counts: CheckCounts;
  lost: Lost[];
  hasCollection(uuid: string): boolean;
  hasBlock(hash: string): boolean;
  block(hash: string, size: number, isRead: boolean): void;
  loss(lost: Lost): void;
  collection(uuid: string, isReadable: boolean): void;
  /** The check is complete: nothing is kept. */
  end(): void;
  close(): void;
}

type Line =
  | ['b', hash: string, size: number, isRead: 0 | 1]
  | ['l', locator: string, collection: string, what: string]
  | ['c', uuid: string, isReadable: 0 | 1];

export function checkFile(key: readonly string[], env: Record<string, string | undefined> = process.env): string {
  const cache = env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return join(cache, 'keep-edge', 'check', `${createHash('md5').update(JSON.stringify(key)).digest('hex')}.jsonl`);
}

export function openCheckState(path: string, { resume }: { resume: boolean }): CheckState {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!resume) rmSync(path, { force: true });
  const collections = new Set<string>();
  const blocks = new Set<string>();
  const counts: CheckCounts = { collections: 0, blocks: 0, bytes: 0, read: 0, unreadable: 0 };
  const lost: Lost[] = [];
  const apply = (line: Line) => {
    if (line[0] === 'b') {
      if (blocks.has(line[1])) return;
      blocks.add(line[1]);
      counts.blocks++;
      counts.bytes += line[2];
      counts.read += line[3];
    } else if (line[0] === 'l') lost.push({ locator: line[1], collection: line[2], what: line[3] });
    else {
      collections.add(line[1]);
      counts.collections++;
      counts.unreadable += 1 - line[2];
    }
  };
  for (const text of linesOf(path)) {
    try {
      apply(JSON.parse(text) as Line);
    } catch {
      // The last line of a check that was killed.
    }
  }
  const file = openSync(path, 'a', 0o600);
  const add = (line: Line) => {
    apply(line);
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  };
  return {
    counts,
    lost,
    hasCollection: (uuid) => collections.has(uuid),
    hasBlock: (hash) => blocks.has(hash),
    block: (hash, size, isRead) => add(['b', hash, size, isRead ? 1 : 0]),
    loss: ({ locator, collection, what }) => add(['l', locator, collection, what]),
    collection: (uuid, isReadable) => add(['c', uuid, isReadable ? 1 : 0]),
    end: () => rmSync(path, { force: true }),
    close: () => closeSync(file),
  };
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
