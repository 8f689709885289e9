import { isKeepError } from '../keep/errors.ts';
import { readTree } from '../keep/manifest/normalise.ts';
import type { ManifestDirectory, ManifestFile } from '../keep/manifest/tree.ts';
import type { Api, Row } from './api-client.ts';
import { ApiError } from './api-client.ts';
import { CliError, usageError } from './cli-error.ts';
import { readManifest } from './listing.ts';
import { showName } from './terminal.ts';

/** `UUID`, `UUID/path`, `PDH` or `PDH/path`, as written on the command line. */
export interface CollectionAddress {
  id: string;
  /** Without slashes at its ends; '' is the whole collection. */
  path: string;
}

export interface LoadedCollection {
  record: Row;
  manifest: string;
  tree: ManifestDirectory;
}

const ADDRESS = /^(?:keep:)?([a-z0-9]{5}-4zz18-[a-z0-9]{15}|[0-9a-f]{32}\+\d+)(?:\/(.*))?$/s;
/** Of the files that a command works on: about 1 GB of memory. */
const MAX_SEGMENTS = 8_000_000;
const UUID = /^[a-z0-9]{5}-4zz18-[a-z0-9]{15}$/;

/** @throws CliError with exit code 2 */
export function parseAddress(text: string): CollectionAddress {
  const [, id, path = ''] = ADDRESS.exec(text) ?? [];
  if (id === undefined)
    throw usageError(
      `${showName(text)} is not a collection: write its UUID (xxxxx-4zz18-...) or portable data hash, and perhaps /PATH behind it.`,
    );
  return { id, path: path.split('/').filter(Boolean).join('/') };
}

export function isCollectionUuid(text: string): boolean {
  return UUID.test(text);
}

/** The record and its manifest, with locators signed for our token. @throws CliError */
export async function loadManifest(
  api: Api,
  id: string,
  signal?: AbortSignal,
): Promise<Pick<LoadedCollection, 'record' | 'manifest'>> {
  const record = await api(`arvados/v1/collections/${encodeURIComponent(id)}`, { signal }).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 404)
      throw new CliError(`There is no collection ${id}, or you may not read it.`);
    throw error;
  });
  return { record, manifest: String(record.manifest_text ?? '') };
}

/** The same with its tree. @throws CliError */
export async function loadCollection(api: Api, id: string, signal?: AbortSignal): Promise<LoadedCollection> {
  const { record, manifest } = await loadManifest(api, id, signal);
  return { record, manifest, tree: await treeOf(manifest) };
}

/** @param below leaves out what is not at this path or below it. @throws CliError when the text is no manifest */
export async function treeOf(manifest: string, below = ''): Promise<ManifestDirectory> {
  try {
    return await readTree([new TextEncoder().encode(manifest)], { below, maxSegments: MAX_SEGMENTS });
  } catch (error) {
    if (isKeepError(error)) throw new CliError(error.message);
    throw error;
  }
}

/** A file or directory of a collection, with locators signed for our token. @throws CliError when it is not there */
export async function loadEntry(
  api: Api,
  { id, path }: CollectionAddress,
  signal?: AbortSignal,
): Promise<{ record: Row; entry: ManifestDirectory | ManifestFile }> {
  const { record, manifest } = await loadManifest(api, id, signal);
  return { record, entry: entryAt(await treeOf(manifest, path), path) };
}

/** @throws CliError when there is nothing at the path */
export function entryAt(root: ManifestDirectory, path: string): ManifestDirectory | ManifestFile {
  let entry: ManifestDirectory | ManifestFile = root;
  for (const name of path === '' ? [] : path.split('/')) {
    const next: ManifestDirectory | ManifestFile | undefined =
      entry.kind === 'directory' ? entry.entries.get(name) : undefined;
    if (next === undefined) throw new CliError(`The collection has no ${showName(path)}.`);
    entry = next;
  }
  return entry;
}

export interface FoundFile {
  /** Below the directory that was asked for. */
  path: string;
  file: ManifestFile;
}

/** Every file below a directory, depth first, and the directories. */
export function* filesBelow(
  root: ManifestDirectory,
): Generator<FoundFile | { path: string; file: null }, void, undefined> {
  const pending: { path: string; entry: ManifestDirectory | ManifestFile }[] = [{ path: '', entry: root }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, entry } = next;
    if (entry.kind === 'file') {
      yield { path, file: entry };
      continue;
    }
    if (path !== '') yield { path, file: null };
    for (const [name, child] of [...entry.entries].reverse())
      pending.push({ path: path === '' ? name : `${path}/${name}`, entry: child });
  }
}

export function fileSize({ segments }: ManifestFile): number {
  return segments.reduce((sum, { length }) => sum + length, 0);
}

/** The locators of a manifest, as it names them. @throws CliError when the text is no manifest */
export function locatorsIn(manifest: string, add: (locator: string) => void): void {
  readManifest(manifest, { block: (locator) => add(locator) });
}
