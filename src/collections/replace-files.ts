import type { User } from '../accounts/account.ts';
import { isKeepError, KeepError } from '../keep/errors.ts';
import { readTree } from '../keep/manifest/normalise.ts';
import { printManifest } from '../keep/manifest/print.ts';
import { directoryAt, emptyDirectory, type ManifestDirectory, type ManifestFile } from '../keep/manifest/tree.ts';
import type { Collection } from './collection-row.ts';
import { type Change, type Collections, textOf } from './collections.ts';
import type { StagedManifest } from './stage-manifest.ts';

/** Trees in memory take about ten times the size of their texts. */
const MAX_TEXT_BYTES = 4_000_000;
/** One source may be copied to many targets: the result is bounded too. */
const MAX_RESULT_BYTES = 4 * MAX_TEXT_BYTES;
const ATTEMPTS = 5;

type Node = ManifestDirectory | ManifestFile;

export interface Replacing {
  /** Target path -> source, as the client sent it. */
  replacements: unknown;
  change: Change;
  /** Of the collection to change; missing for a new one. */
  uuid: string | undefined;
  user: User;
}

/**
 * The API's `replace_files` (docs/protocol/collections.md#replace-files): puts files and directories of this collection,
 * of others by portable data hash, and of a submitted manifest into one, in one commit. When another writer changes the
 * collection meanwhile, it starts over from the new state.
 * @throws KeepError bad_request for invalid paths and sources, too_large for trees too large for memory
 */
export async function replaceFiles(
  collections: Collections,
  replacing: Replacing,
  commit: (change: Change) => Promise<Collection>,
): Promise<Collection> {
  const { change, uuid, user } = replacing;
  const entries = checkEntries(replacing.replacements);
  const submitted = change.manifest;
  if (submitted !== null && !entries.some(([, source]) => root(source) === 'manifest_text')) {
    throw refused('manifest_text was sent but no entry of replace_files uses it');
  }
  for (let attempt = 1; ; attempt++) {
    const current = uuid === undefined ? null : await collections.find(uuid, user);
    const tree = await apply(collections, entries, current, submitted, user);
    const manifest = await collections.stage(bounded(printManifest(tree)), null);
    try {
      return await commit({ ...change, manifest, ...(current === null ? {} : { revision: current.revision }) });
    } catch (error) {
      if (!isKeepError(error, 'precondition_failed') || attempt === ATTEMPTS) throw error;
    }
  }
}

async function* bounded(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MAX_RESULT_BYTES)
      throw new KeepError('too_large', {
        message: `replace_files makes manifests of up to ${MAX_RESULT_BYTES} bytes: save a whole manifest_text instead`,
      });
    yield chunk;
  }
}

async function apply(
  collections: Collections,
  entries: [string, string][],
  current: Collection | null,
  submitted: StagedManifest | null,
  user: User,
): Promise<ManifestDirectory> {
  let budget = MAX_TEXT_BYTES;
  const load = async (
    bytes: number,
    open: () => Promise<ReadableStream<Uint8Array> | null>,
  ): Promise<ManifestDirectory> => {
    budget -= bytes;
    if (budget < 0)
      throw new KeepError('too_large', {
        message: `replace_files works on manifests of up to ${MAX_TEXT_BYTES} bytes: save a whole manifest_text instead`,
      });
    const stream = await open();
    return stream === null ? emptyDirectory() : readTree(stream);
  };
  const loadCurrent = () =>
    current === null
      ? Promise.resolve(emptyDirectory())
      : load(current.manifestBytes, async () => (await collections.read(current, user)).text);
  const sources = new Map<string, ManifestDirectory>();
  for (const [, source] of entries) {
    const name = root(source);
    if (name === '' || sources.has(name)) continue;
    if (name === 'current') sources.set(name, await loadCurrent());
    else if (name !== 'manifest_text') {
      const other = await collections.find(name, user);
      sources.set(name, await load(other.manifestBytes, () => textOf(collections, other, user)));
    } else if (submitted !== null) sources.set(name, await load(submitted.bytes, () => collections.staged(submitted)));
    else throw refused('an entry of replace_files uses manifest_text, which was not sent');
  }
  let tree = await loadCurrent();
  // Deletions first, parents before children: a file put below a deleted path must stay.
  for (const [target] of entries.filter(([, source]) => source === '').sort(([a], [b]) => a.length - b.length))
    tree = remove(tree, target);
  for (const [target, source] of entries.filter(([, source]) => source !== '')) {
    const origin = sources.get(root(source)) ?? emptyDirectory();
    const node = nodeAt(origin, source.slice(root(source).length));
    if (node === null) throw refused(`there is no ${source}`);
    // No copy: nothing is put below a target, so a source's node is not changed afterwards.
    tree = put(tree, target, node);
  }
  return tree;
}

/** @throws KeepError bad_request */
function checkEntries(replacements: unknown): [string, string][] {
  if (typeof replacements !== 'object' || replacements === null || Array.isArray(replacements))
    throw refused('replace_files must be an object: target path -> source');
  const entries = Object.entries(replacements as Record<string, unknown>).map(([target, source]): [string, string] => {
    if (!/^\/$|^(\/[^/]+)+$/.test(target) || target.split('/').some((part) => part === '.' || part === '..'))
      throw refused(`${target} is not a proper target path`);
    if (
      typeof source !== 'string' ||
      !(source === '' || /^([0-9a-f]{32}\+\d+|manifest_text|current)(\/.*)?$/s.test(source))
    )
      throw refused(`the source of ${target} is not a proper one`);
    return [target, source];
  });
  const targets: Names = new Map();
  const places = entries.map(([target, source]) => ({ target, source, below: namesAt(targets, parts(target)) }));
  for (const { target, source, below } of places)
    if (source !== '' && below.size > 0) throw refused(`${target} lies above another target`);
  return entries;
}

type Names = Map<string, Names>;

function namesAt(names: Names, path: string[]): Names {
  let at = names;
  for (const name of path) {
    const next = at.get(name) ?? new Map();
    at.set(name, next);
    at = next;
  }
  return at;
}

function root(source: string): string {
  return source.split('/')[0] ?? '';
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function nodeAt(tree: ManifestDirectory, path: string): Node | null {
  let node: Node | undefined = tree;
  for (const part of parts(path)) {
    node = node?.kind === 'directory' ? node.entries.get(part) : undefined;
  }
  return node ?? null;
}

function remove(tree: ManifestDirectory, path: string): ManifestDirectory {
  const names = parts(path);
  const last = names.pop();
  if (last === undefined) return emptyDirectory();
  const parent = nodeAt(tree, names.join('/'));
  if (parent?.kind === 'directory') parent.entries.delete(last);
  return tree;
}

function put(tree: ManifestDirectory, path: string, node: Node): ManifestDirectory {
  const names = parts(path);
  const last = names.pop();
  if (last === undefined) {
    if (node.kind === 'file') throw refused('a file cannot take the place of the whole collection');
    return node;
  }
  directoryAt(tree, names.join('/')).entries.set(last, node);
  return tree;
}

function refused(message: string): KeepError {
  return new KeepError('bad_request', { message });
}
