import type { Entry, OpenCollection } from '../collections/source.ts';
import { type FileTree, findNode } from '../collections/file-tree.ts';
import { type Address, parseSiteId } from './address.ts';
import type { DownloadParts } from './needs.ts';
import type { Opener } from './open-memory.ts';

/** What an address turned out to be for one token. */
export type Target = TreeTarget | VirtualTarget;

/** A place in a collection. */
export interface TreeTarget {
  kind: 'tree';
  collection: OpenCollection;
  token: string;
  tree: FileTree;
  node: number;
  /** Components from the collection's root to here. */
  path: string[];
  /** Components of the URL up to the collection's root. */
  prefix: string[];
}

/** A directory that is in no collection: a project, a home, the lists of everything. */
export interface VirtualTarget {
  kind: 'virtual';
  name: string;
  token: string;
  /** Components of the URL. */
  prefix: string[];
  entries: () => AsyncIterable<VirtualEntry>;
}

export interface VirtualEntry {
  kind: 'directory' | 'collection' | 'project';
  /** Component of the URL. */
  name: string;
  title?: string;
  modifiedAt?: string;
}

export interface Finder {
  parts: DownloadParts;
  opener: Opener;
  /** The client wants no remembered answers. */
  fresh: boolean;
  signal: AbortSignal;
}

/**
 * Follows an address with one token. Null when there is no such thing, or the token may not see it.
 * @throws KeepError `unauthorized` when the token is no good; `unreadable_manifest`; what the sources throw
 */
export function findTarget(finder: Finder, address: Address, token: string): Promise<Target | null> {
  if (address.kind === 'id') return findById(finder, address.id, token, address.path, address.prefix);
  const [first, second, ...rest] = address.path;
  if (first === undefined) return Promise.resolve(siteRoot(finder, token));
  if (second === undefined) return Promise.resolve(first === 'users' ? homeList(finder, token) : idList(finder, token));
  if (first === 'users') return findInHome(finder, second, token, rest);
  const id = parseSiteId(second);
  return id === null ? Promise.resolve(null) : findById(finder, id, token, rest, [first, second]);
}

async function findById(
  finder: Finder,
  id: string,
  token: string,
  path: string[],
  prefix: string[],
): Promise<Target | null> {
  if (!id.includes('-j7d0g-')) return findInCollection(finder, id, token, path, prefix);
  const project = await finder.parts.collections.project(id, token, finder.signal);
  return project && findInProject(finder, { uuid: project.uuid, name: project.name }, token, path, prefix);
}

async function findInCollection(
  { parts, opener, fresh, signal }: Finder,
  id: string,
  token: string,
  path: string[],
  prefix: string[],
): Promise<TreeTarget | null> {
  const collection = await opener.open(id, token, fresh, signal);
  if (collection === null) return null;
  const tree = await parts.trees.treeOf(collection, token);
  const node = findNode(tree, path.join('/'));
  return node === null ? null : { kind: 'tree', collection, token, tree, node, path, prefix };
}

async function findInHome(finder: Finder, username: string, token: string, path: string[]): Promise<Target | null> {
  const homes = await finder.parts.collections.homes(token, finder.signal);
  const home = homes.find((candidate) => candidate.username === username);
  if (home === undefined) return null;
  return findInProject(finder, { uuid: home.uuid, name: username }, token, path, ['users', username]);
}

/** Walks down by displayed names until a collection, which takes the rest of the path. */
async function findInProject(
  finder: Finder,
  owner: { uuid: string; name: string },
  token: string,
  path: string[],
  prefix: string[],
): Promise<Target | null> {
  const [name, ...rest] = path;
  if (name === undefined) {
    const entries = () => projectEntries(finder, owner.uuid, token);
    return { kind: 'virtual', name: owner.name, token, prefix, entries };
  }
  const child = await findChild(finder, owner.uuid, name, token);
  if (child === null) return null;
  const below = [...prefix, name];
  if (child.kind === 'collection') return findInCollection(finder, child.uuid, token, rest, below);
  return findInProject(finder, { uuid: child.uuid, name }, token, rest, below);
}

async function findChild({ parts, signal }: Finder, owner: string, name: string, token: string): Promise<Entry | null> {
  const found = await parts.collections.child(owner, name, token, signal);
  const { slashSubstitution } = parts.downloads;
  if (found !== null || slashSubstitution === '' || !name.includes(slashSubstitution)) return found;
  return parts.collections.child(owner, name.replaceAll(slashSubstitution, '/'), token, signal);
}

async function* projectEntries({ parts, signal }: Finder, owner: string, token: string): AsyncGenerator<VirtualEntry> {
  for await (const { kind, name, modifiedAt } of parts.collections.contents(owner, token, signal)) {
    const shown = displayName(name, parts.downloads.slashSubstitution);
    if (shown !== null) yield { kind, name: shown, modifiedAt };
  }
}

/** A name as one component of a path; null for names that cannot be one. */
function displayName(name: string, slashSubstitution: string): string | null {
  const shown = slashSubstitution === '' ? name : name.replaceAll('/', slashSubstitution);
  return ['', '.', '..'].includes(shown) || shown.includes('/') ? null : shown;
}

function siteRoot({ parts, signal }: Finder, token: string): VirtualTarget {
  return {
    kind: 'virtual',
    name: '',
    token,
    prefix: [],
    async *entries() {
      // Asked only to learn whether the token is good.
      await parts.collections.homes(token, signal);
      yield { kind: 'directory', name: 'by_id' };
      yield { kind: 'directory', name: 'users' };
    },
  };
}

function homeList({ parts, signal }: Finder, token: string): VirtualTarget {
  return {
    kind: 'virtual',
    name: 'users',
    token,
    prefix: ['users'],
    async *entries() {
      for (const { username } of await parts.collections.homes(token, signal)) {
        if (displayName(username, '') !== null) yield { kind: 'directory', name: username };
      }
    },
  };
}

/** Collections that lie directly in the homes that the token may see: the others are there too, but not listed. */
function idList({ parts, signal }: Finder, token: string): VirtualTarget {
  return {
    kind: 'virtual',
    name: 'by_id',
    token,
    prefix: ['by_id'],
    async *entries() {
      for (const home of await parts.collections.homes(token, signal)) {
        for await (const { kind, uuid, name, modifiedAt } of parts.collections.contents(home.uuid, token, signal)) {
          yield { kind, name: uuid, title: name, modifiedAt };
        }
      }
    },
  };
}
