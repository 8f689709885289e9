import { isKeepError, KeepError } from '../../keep/errors.ts';
import { EMPTY_LOCATOR } from '../../keep/limits.ts';
import { parseLocator } from '../../keep/locator.ts';
import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { escapeName } from '../../keep/manifest/names.ts';
import type { Condition, Edit, EditRequest, EtagTerm, LockTerm, NodeKind, TextSource } from './edits.ts';
import { isIndependentOfLocks, isLockedWith, type Lock } from './locks.ts';
import { isWithin, nameOf, PathMap, PathSet, parentOf, type Transfer } from './path-map.ts';
import { MAX_TEXT_BYTES, planRewrite, rewriteText, streamName, tooLarge } from './rewrite.ts';
import { surveyPaths } from './survey.ts';

/** Requests with more paths have a revision of their own: comparing them with others would take long. */
const MAX_SHARED_PATHS = 100;
/** Deeper than any file system allows. */
const MAX_LEVELS = 2000;

/** What edits work on. */
export interface Texts {
  /** The collection's text before the edits; read up to four times. */
  current(): Promise<Chunks>;
  portableDataHash: string;
  /** ETags of files as readers of each kind see them, by path; asked for only with conditions on ETags. */
  etags(paths: string[]): Promise<Map<string, string[]>>;
  /** Which of these directories have metadata; asked for only with edits that prune. */
  marked(directories: string[]): Promise<Set<string>>;
  /** @throws KeepError not_found */
  source(source: TextSource): Promise<Chunks>;
}

/** What was judged of one request before anything is changed. */
export type Judged = { ok: true; before: Record<string, NodeKind> } | { ok: false; error: KeepError };

/** Requests whose paths don't touch, judged and ready to be written as one text. */
export interface Plan {
  judged: Judged[];
  /** What changes something, of the requests that hold. */
  edits: Edit[];
  /** The new text; null when no request changes anything. */
  text: (() => AsyncIterable<Uint8Array>) | null;
}

/**
 * Judges requests against one state of a collection and makes the text with all edits of those that hold. The requests
 * must be independent (see `areIndependent`). Conditions are judged before locks.
 */
export async function planEdits(
  texts: Texts,
  requests: readonly EditRequest[],
  locks: readonly Lock[] = [],
): Promise<Plan> {
  const paths = requests.flatMap((request) => (isTooDeep(request) ? [] : pathsOf(request)));
  const kinds = await surveyPaths(await texts.current(), paths);
  const etags = await texts.etags(
    requests.flatMap(({ conditions }) =>
      conditions.flatMap(termsOf).flatMap((term) => ('etag' in term ? term.path : [])),
    ),
  );
  const state = { etags, locks, portableDataHash: texts.portableDataHash };
  const kindOf = (path: string): NodeKind => kinds.get(path) ?? 'absent';
  const grafts = await surveySources(texts, requests);
  const judged: Judged[] = [];
  const edits: Edit[] = [];
  for (const request of requests) {
    try {
      if (isTooDeep(request)) throw refused(`a path may have up to ${MAX_LEVELS} levels`);
      for (const condition of request.conditions) check(condition, kindOf, state);
      if (!isIndependentOfLocks(request, locks))
        throw new KeepError('locked', { message: 'the path is locked by another client' });
      for (const edit of request.edits) {
        checkEdit(edit, request.edits, kindOf, grafts);
      }
      edits.push(...request.edits);
      judged.push({
        ok: true,
        before: Object.fromEntries(request.edits.flatMap(targetsOf).map((path) => [path, kindOf(path)])),
      });
    } catch (error) {
      if (!isKeepError(error)) throw error;
      judged.push({ ok: false, error });
    }
  }
  const changing = edits.filter((edit) => !isEmpty(edit, kindOf));
  return {
    judged,
    edits: changing,
    text: changing.length === 0 ? null : () => bounded(newText(texts, changing, kindOf, grafts)),
  };
}

/** Whether two requests may be judged against the same state: neither writes near what the other reads or writes. */
export function areIndependent(a: EditRequest, b: EditRequest): boolean {
  const hasPdh = ({ conditions }: EditRequest) => conditions.some((condition) => 'portableDataHash' in condition);
  if (hasPdh(a) || hasPdh(b) || a.attributes !== undefined || b.attributes !== undefined) return false;
  if (a.segments !== undefined || b.segments !== undefined) return false;
  if (a.edits.length > MAX_SHARED_PATHS || b.edits.length > MAX_SHARED_PATHS) return false;
  const writes = (request: EditRequest) => request.edits.flatMap(writtenBy);
  const touches = (request: EditRequest) => [
    ...writes(request),
    ...request.edits.flatMap((edit) => ('from' in edit && edit.kind !== 'graft' ? edit.from : [])),
    ...request.conditions.filter((condition) => !isParent(condition)).flatMap(pathsOfCondition),
  ];
  const meet = (left: string[], right: string[]) =>
    left.some((x) => right.some((y) => isWithin(x, y) || isWithin(y, x)));
  // What is written below a directory leaves it one; a request that is refused for want of it comes first in any order.
  const takesParent = (reader: EditRequest, writer: EditRequest) =>
    reader.conditions.filter(isParent).some(({ path }) => writes(writer).some((written) => isWithin(path, written)));
  if (takesParent(a, b) || takesParent(b, a)) return false;
  return !meet(writes(a), touches(b)) && !meet(touches(a), writes(b));
}

function isParent(condition: Condition): condition is Extract<Condition, { is: NodeKind[] }> {
  return 'is' in condition && condition.is.length === 1 && condition.is[0] === 'directory';
}

/** The directories above a target are looked at one by one. */
function isTooDeep({ edits }: EditRequest): boolean {
  return edits.flatMap(targetsOf).some((path) => path.length > MAX_LEVELS && path.split('/').length > MAX_LEVELS);
}

function writtenBy(edit: Edit): string[] {
  if (edit.kind === 'move') return [edit.from, edit.to];
  return targetsOf(edit);
}

function targetsOf(edit: Edit): string[] {
  return 'to' in edit ? [edit.to] : [edit.path];
}

/** All paths whose state decides about a request. */
function pathsOf({ edits, conditions }: EditRequest): string[] {
  const named = edits.flatMap((edit) => [
    ...writtenBy(edit),
    ...('from' in edit && edit.kind !== 'graft' ? [edit.from] : []),
  ]);
  const above = edits.flatMap(targetsOf).flatMap(ancestors);
  return [...named, ...above, ...conditions.flatMap(pathsOfCondition)];
}

function pathsOfCondition(condition: Condition): string[] {
  return 'is' in condition ? [condition.path] : termsOf(condition).map(({ path }) => path);
}

function termsOf(condition: Condition): (EtagTerm | LockTerm)[] {
  if ('anyOf' in condition) return condition.anyOf.flat();
  return 'etag' in condition ? [condition] : [];
}

function ancestors(path: string): string[] {
  const all: string[] = [];
  for (let at = parentOf(path); at !== ''; at = parentOf(at)) all.push(at);
  return all;
}

interface State {
  etags: Map<string, string[]>;
  locks: readonly Lock[];
  portableDataHash: string;
}

function check(condition: Condition, kindOf: (path: string) => NodeKind, state: State): void {
  if (!holds(condition, kindOf, state))
    throw new KeepError(condition.otherwise.code, { message: condition.otherwise.message });
}

function holds(condition: Condition, kindOf: (path: string) => NodeKind, state: State): boolean {
  if ('portableDataHash' in condition) return condition.portableDataHash === state.portableDataHash;
  if ('is' in condition) return condition.is.includes(kindOf(condition.path));
  if ('anyOf' in condition) return condition.anyOf.some((terms) => terms.every((term) => isTrue(term, state)));
  return isTrue(condition, state);
}

function isTrue(term: EtagTerm | LockTerm, { etags, locks }: State): boolean {
  if ('lockToken' in term) return isLockedWith(locks, term.path, term.lockToken) === term.matches;
  const etag = etags.get(term.path);
  const found = etag !== undefined && (term.etag.includes('*') || etag.some((one) => term.etag.includes(one)));
  return found === term.matches;
}

function checkEdit(
  edit: Edit,
  all: Edit[],
  kindOf: (path: string) => NodeKind,
  grafts: Map<Edit, NodeKind | KeepError>,
): void {
  if (edit.kind === 'delete' || edit.kind === 'unmark') return;
  const target = 'to' in edit ? edit.to : edit.path;
  const isGone = (path: string) =>
    all.some(
      (other) =>
        (other.kind === 'delete' && isWithin(path, other.path)) ||
        (other.kind === 'move' && isWithin(path, other.from)),
    );
  for (const above of ancestors(target)) {
    if (kindOf(above) === 'file' && !isGone(above)) throw refused(`${above} is a file, not a directory`);
  }
  if (edit.kind === 'properties') {
    if (kindOf(edit.path) === 'absent') throw new KeepError('not_found', { message: `there is no ${edit.path}` });
    return;
  }
  if (edit.kind === 'mkdir') {
    if (kindOf(edit.path) === 'file' && !isGone(edit.path)) throw refused(`${edit.path} is a file`);
    return;
  }
  if (edit.kind === 'put') {
    if (edit.path === '') throw refused('a file cannot take the place of the whole collection');
    return;
  }
  const kind = edit.kind === 'graft' ? (grafts.get(edit) ?? 'absent') : kindOf(edit.from);
  if (typeof kind !== 'string') throw kind;
  if (kind === 'absent') throw refused(`there is no ${edit.from}`);
  if (edit.to === '' && kind === 'file') throw refused('a file cannot take the place of the whole collection');
  if (edit.kind === 'move' && isWithin(edit.to, edit.from)) throw refused(`${edit.from} cannot be moved into itself`);
}

type Graft = Extract<Edit, { kind: 'graft' }>;

/** Grafts by their source: however many places it is copied to, a source is read once for each purpose. */
function bySource(edits: readonly Edit[]): Graft[][] {
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

/** What each graft takes: a source that is not there, or cannot be read, is an error of the requests that name it. */
async function surveySources(texts: Texts, requests: readonly EditRequest[]): Promise<Map<Edit, NodeKind | KeepError>> {
  const found = new Map<Edit, NodeKind | KeepError>();
  for (const group of bySource(requests.flatMap(({ edits }) => edits))) {
    const [first] = group;
    if (first === undefined) continue;
    try {
      const kinds = await surveyPaths(
        await texts.source(first.source),
        group.map(({ from }) => from),
      );
      for (const edit of group) found.set(edit, kinds.get(edit.from) ?? 'absent');
    } catch (error) {
      if (!isKeepError(error)) throw error;
      for (const edit of group) found.set(edit, error);
    }
  }
  return found;
}

/** Edits that leave everything as it is. */
function isEmpty(edit: Edit, kindOf: (path: string) => NodeKind): boolean {
  if (edit.kind === 'delete')
    return edit.prunes === true ? kindOf(edit.path) !== 'file' : kindOf(edit.path) === 'absent';
  if (edit.kind === 'properties') return true;
  if (edit.kind === 'mkdir') return kindOf(edit.path) === 'directory';
  if (edit.kind === 'unmark') return kindOf(edit.path) !== 'directory';
  return (edit.kind === 'copy' || edit.kind === 'move') && edit.from === edit.to;
}

/** Copies can multiply a text: the result is bounded. */
async function* bounded(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > MAX_TEXT_BYTES) throw tooLarge();
    yield chunk;
  }
}

async function* newText(
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

function refused(message: string): KeepError {
  return new KeepError('bad_request', { message });
}
