import { closeSync, createReadStream, existsSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LocatorRewriter } from '../../keep/manifest/rewrite.ts';
import type { Row } from '../api-client.ts';

/** The layout of an export: lists of records, one JSON a line, and blocks by their names. */
export const LISTS = ['users', 'groups', 'links', 'collections'] as const;
export const FORMAT = 1;

export type ListName = (typeof LISTS)[number];

export function blockFile(directory: string, hash: string): string {
  return join(directory, 'blocks', hash.slice(0, 3), hash);
}

/** Writes records as they come. The list before it stays until this one is complete. */
export async function writeList(directory: string, list: ListName, rows: AsyncIterable<Row>): Promise<void> {
  const path = join(directory, `${list}.jsonl`);
  const file = openSync(`${path}.part`, 'w', 0o600);
  try {
    for await (const row of rows) writeSync(file, `${JSON.stringify(row)}\n`);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.part`, path);
}

/** The records of a file, one after the other; none where it is missing. Half a line at the end, of a writer that was killed, is left out. */
export async function* readRecords(path: string): AsyncGenerator<Row, void, undefined> {
  if (!existsSync(path)) return;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    try {
      yield JSON.parse(line) as Row;
    } catch {
      // Half a line.
    }
  }
}

/** A manifest with each locator replaced. Names of files may look like locators: they stay. */
export function withLocators(manifest: string, rewrite: (locator: string) => string): string {
  const rewriter = new LocatorRewriter(rewrite);
  const decoder = new TextDecoder();
  let text = '';
  for (const chunk of rewriter.push(new TextEncoder().encode(manifest)))
    text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode(rewriter.end());
}
