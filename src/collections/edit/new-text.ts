import type { KeepError } from '../../keep/errors.ts';
import { EMPTY_LOCATOR } from '../../keep/limits.ts';
import { parseLocator } from '../../keep/locator.ts';
import { escapeName } from '../../keep/manifest/names.ts';
import { ancestors, writtenBy } from './edit-paths.ts';
import type { Edit, NodeKind, Texts } from './edits.ts';
import { nameOf, PathMap, PathSet, parentOf, type Transfer } from './path-map.ts';
import { MAX_TEXT_BYTES, planRewrite, rewriteText, streamName, tooLarge } from './rewrite.ts';

/** Copies can multiply a text: the result is bounded. */
async function* bounded(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > MAX_TEXT_BYTES) throw tooLarge();
    yield chunk;
  }
}

/**
 * The text with the edits, which hold.
 * @throws KeepError too_large
 */
export function newText(
  texts: Texts,
  edits: Edit[],
  kindOf: (path: string) => NodeKind,
  grafts: Map<Edit, NodeKind | KeepError>,
): AsyncIterable<Uint8Array> {
  return bounded(editedText(texts, edits, kindOf, grafts));
}

async function* editedText(
  texts: Texts,
  edits: Edit[],
  kindOf: (path: string) => NodeKind,
  grafts: Map<Edit, NodeKind | KeepError>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  const removed = edits
    .flatMap((edit) => (TAKES_NOTHING_AWAY.has(edit.kind) ? [] : writtenBy(edit)))
    .filter((path) => kindOf(path) !== 'absent');
  const transfers = edits.flatMap((edit): Transfer[] =>
    edit.kind === 'copy' || edit.kind === 'move'
      ? [{ from: edit.from, to: edit.to, shallow: edit.kind === 'copy' && edit.shallow === true }]
      : [],
  );
  const unmarked = edits.flatMap((edit) => (edit.kind === 'unmark' ? edit.path : []));
  const map = new PathMap(removed, transfers, { unmarked });
  // Directories that lose what is in them stay, as on any file system.
  const gone = new PathSet(removed);
  const left = new Set(removed.map(parentOf).filter((path) => path !== '' && !gone.covers(path)));
  const emptied = await withoutPruned(left, edits, texts);
  const lossy = new PathSet(emptied);
  const fill = (directory: string) => {
    if (emptied.size > 0) for (const path of lossy.covering(directory)) emptied.delete(path);
  };
  if (map.isIdentity) yield* await texts.current();
  else {
    const changed = await planRewrite(await texts.current(), map, fill);
    yield* rewriteText(await texts.current(), map, changed, true);
  }
  const directories = new Set<string>();
  for (const edit of edits) {
    if (edit.kind === 'mkdir') directories.add(edit.path);
  }
  for (const group of bySource(edits)) {
    const [first] = group;
    if (first === undefined) continue;
    const graftMap = new PathMap(
      [],
      group.map(({ from, to }) => ({ from, to, shallow: false })),
      { keepsRest: false },
    );
    const targets = new PathSet(group.map(({ to }) => to));
    /** Targets in which something is afterwards. */
    const filled = new Set<string>();
    const changed = await planRewrite(await texts.source(first.source), graftMap, (directory) => {
      for (const target of targets.covering(directory)) filled.add(target);
      fill(directory);
    });
    for (const edit of group) {
      if (!filled.has(edit.to) && grafts.get(edit) === 'directory' && edit.to !== '') directories.add(edit.to);
    }
    yield* rewriteText(await texts.source(first.source), graftMap, changed, false);
  }
  for (const [directory, puts] of groupedByDirectory(edits)) {
    fill(directory);
    yield encoder.encode(lineOf(directory, puts));
  }
  for (const { from, to, shallow } of transfers) {
    if (shallow && kindOf(from) === 'directory') directories.add(to);
    fill(parentOf(to));
  }
  for (const directory of directories) fill(directory === '' ? '' : parentOf(directory));
  for (const directory of [...directories, ...emptied]) {
    if (directory !== '') yield encoder.encode(`${streamName(directory)} ${EMPTY_LOCATOR} 0:0:\\056\n`);
  }
}

/** Kinds of edits that leave what is at their path. */
const TAKES_NOTHING_AWAY = new Set<Edit['kind']>(['mkdir', 'properties', 'unmark']);

function isPruning(edit: Edit): edit is Extract<Edit, { kind: 'delete' | 'unmark' }> {
  return edit.kind === 'unmark' || (edit.kind === 'delete' && edit.prunes === true);
}

/** Directories that stay although they lose what is in them. */
async function withoutPruned(left: Set<string>, edits: readonly Edit[], texts: Texts): Promise<Set<string>> {
  const pruned = edits.filter(isPruning).map(({ path }) => path);
  if (pruned.length === 0) return left;
  const marked = await texts.marked([...new Set(pruned.flatMap(ancestors))]);
  for (const edit of edits) if (edit.kind === 'unmark') marked.delete(edit.path);
  const others = edits.filter((edit) => !isPruning(edit) && !TAKES_NOTHING_AWAY.has(edit.kind));
  const kept = new Set(others.flatMap(writtenBy).map(parentOf));
  for (const path of left) if (!kept.has(path)) left.delete(path);
  // Of a deleted file's parents the nearest marked one keeps those above it.
  for (const path of pruned) {
    const nearest = ancestors(path).find((above) => marked.has(above));
    if (nearest !== undefined) left.add(nearest);
  }
  return left;
}

export type Put = Extract<Edit, { kind: 'put' }>;

function groupedByDirectory(edits: Edit[]): Map<string, Put[]> {
  const groups = new Map<string, Put[]>();
  for (const edit of edits) {
    if (edit.kind !== 'put') continue;
    const directory = parentOf(edit.path);
    const puts = groups.get(directory) ?? [];
    puts.push(edit);
    groups.set(directory, puts);
  }
  return groups;
}

/** One line for the new files of a directory. */
export function lineOf(directory: string, puts: Put[]): string {
  const locators: string[] = [];
  const positions = new Map<string, number>();
  const tokens: string[] = [];
  let end = 0;
  for (const { path, ranges } of puts) {
    const name = escapeName(nameOf(path));
    let start = 0;
    let length = 0;
    for (const range of ranges) {
      let position = positions.get(range.locator);
      if (position === undefined) {
        position = end;
        positions.set(range.locator, position);
        locators.push(range.locator);
        end += parseLocator(range.locator).size ?? 0;
      }
      if (length > 0 && position + range.offset === start + length) {
        length += range.length;
        continue;
      }
      if (length > 0) tokens.push(`${start}:${length}:${name}`);
      start = position + range.offset;
      length = range.length;
    }
    if (length > 0 || ranges.every((range) => range.length === 0))
      tokens.push(`${length > 0 ? start : 0}:${length}:${name}`);
  }
  return `${[streamName(directory), ...(locators.length === 0 ? [EMPTY_LOCATOR] : locators), ...tokens].join(' ')}\n`;
}

type Graft = Extract<Edit, { kind: 'graft' }>;

/** Grafts by their source: however many places it is copied to, a source is read once for each purpose. */
export function bySource(edits: readonly Edit[]): Graft[][] {
  const groups = new Map<string, Graft[]>();
  for (const edit of edits) {
    if (edit.kind !== 'graft') continue;
    const { source } = edit;
    const key = 'portableDataHash' in source ? source.portableDataHash : `staged ${source.staged.portableDataHash}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [edit]);
    else group.push(edit);
  }
  return [...groups.values()];
}
