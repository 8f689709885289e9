import { closeSync, createReadStream, existsSync, openSync, renameSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LocatorRewriter } from '../../keep/manifest/rewrite.ts';
import type { Row } from '../api-client.ts';
import { CliError } from '../cli-error.ts';

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

/**
 * The records of a file, one after the other; none where it is missing.
 * @param skipCut passes over lines that are not whole: a writer that is killed may leave half a line, and its successor goes on after it
 * @throws CliError at a damaged line
 */
export async function* readRecords(path: string, { skipCut = false } = {}): AsyncGenerator<Row, void, undefined> {
  let number = 0;
  for await (const line of linesOf(path)) {
    number++;
    if (line.trim() === '') continue;
    const record = parsed(line);
    if (record !== null) yield record;
    else if (!skipCut)
      throw new CliError(`${basename(path)}, line ${number}: the record is damaged. Export again into this directory.`);
  }
}

function parsed(line: string): Row | null {
  try {
    return JSON.parse(line) as Row;
  } catch {
    return null;
  }
}

/** Not by node:readline, which ends a line at U+2028 and U+2029 too: JSON has them in its strings as they are. */
async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  if (!existsSync(path)) return;
  let rest = '';
  for await (const chunk of createReadStream(path, 'utf8') as AsyncIterable<string>) {
    const [first = '', ...others] = chunk.split('\n');
    rest += first;
    for (const next of others) {
      yield rest;
      rest = next;
    }
  }
  yield rest;
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
