import { isKeepError } from '../keep/errors.ts';
import { type ManifestHandler, ManifestParser } from '../keep/manifest/parse.ts';
import { createPlaceFinder, type Place, pathText, placeText } from '../keep/manifest/places.ts';
import { READ_RULES } from '../keep/manifest/rules.ts';
import { CliError } from './cli-error.ts';

/** Names and sizes of a collection, without its blocks: a manifest line of n blocks and m files costs n + m. */
export interface ListedDirectory {
  entries: Map<string, ListedDirectory | number>;
}

export interface Listed {
  /** Below the directory that was asked for. */
  path: string;
  /** Bytes; null for a directory. */
  size: number | null;
  isEmpty: boolean;
}

/** @throws CliError when the text is no manifest, or has a path that is both a file and a directory */
export function listManifest(manifest: string): ListedDirectory {
  const root: ListedDirectory = { entries: new Map() };
  const directoryOf = createPlaceFinder(root, directoryIn);
  readManifest(manifest, {
    segment(path, _position, length) {
      const { entries } = directoryOf(path.directory);
      const known = entries.get(path.name) ?? 0;
      if (typeof known !== 'number') throw clash(pathText(path));
      entries.set(path.name, known + length);
    },
    directory: (place) => void directoryOf(place),
  });
  return root;
}

/** @throws CliError when the text is no manifest */
export function readManifest(manifest: string, handler: ManifestHandler): void {
  const parser = new ManifestParser(handler, READ_RULES);
  try {
    parser.push(new TextEncoder().encode(manifest));
    parser.end();
  } catch (error) {
    if (isKeepError(error)) throw new CliError(error.message);
    throw error;
  }
}

function directoryIn(parent: ListedDirectory, place: Place): ListedDirectory {
  let next = parent.entries.get(place.name);
  if (typeof next === 'number') throw clash(placeText(place));
  if (next === undefined) {
    next = { entries: new Map() };
    parent.entries.set(place.name, next);
  }
  return next;
}

function clash(path: string): CliError {
  return new CliError(`The collection has ${JSON.stringify(path)} as a file and as a directory.`);
}

/** What is at a path: a directory, a file's size, or undefined. */
export function listedAt(root: ListedDirectory, path: string): ListedDirectory | number | undefined {
  let found: ListedDirectory | number | undefined = root;
  for (const name of path === '' ? [] : path.split('/'))
    found = typeof found === 'object' ? found.entries.get(name) : undefined;
  return found;
}

/** Everything below a directory, depth first, in the order of the manifest. */
export function* listedBelow(root: ListedDirectory): Generator<Listed, void, undefined> {
  const pending: { path: string; entry: ListedDirectory | number }[] = [{ path: '', entry: root }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, entry } = next;
    if (typeof entry === 'number') {
      yield { path, size: entry, isEmpty: false };
      continue;
    }
    if (path !== '') yield { path, size: null, isEmpty: entry.entries.size === 0 };
    for (const [name, child] of [...entry.entries].reverse())
      pending.push({ path: path === '' ? name : `${path}/${name}`, entry: child });
  }
}
