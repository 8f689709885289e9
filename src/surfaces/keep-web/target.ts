import { type FileTree, findNode } from '../../collections/file-tree.ts';
import type { Home, OpenCollection } from '../../collections/source.ts';
import type { Opener } from '../../files/open-cache.ts';
import { childOf, displayName } from '../../files/project-names.ts';
import { parseSiteId } from '../../keep/collection-ids.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Address } from './address.ts';
import type { KeepWebDependencies } from './dependencies.ts';

/** What an address is for one token. */
export type Target = TreeTarget | VirtualTarget;

/** Also what it is not: `missing` means that the token opens the collection or project, which has no such path. */
export type Found = Target | 'missing' | null;

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

/** A directory outside any collection: a project, a home, `/`, `/by_id/`, `/users/`. */
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
  deps: KeepWebDependencies;
  opener: Opener;
  /** The client wants no cached answers. */
  fresh: boolean;
  signal: AbortSignal;
}

/**
 * Resolves an address with one token. Null when the collection does not exist or the token may not see it.
 * @throws KeepError `unauthorized` for an invalid token; `unreadable_manifest`; what the sources throw
 */
export function findTarget(finder: Finder, address: Address, token: string): Promise<Found> {
  if (address.kind === 'id') return findById(finder, address.id, token, address.path, address.prefix);
  const [first, second, ...rest] = address.path;
  if (first === undefined || second === undefined) return siteList(finder, first, token);
  if (first === 'users') return findInHome(finder, second, token, rest);
  const id = parseSiteId(second);
  return id === null ? Promise.resolve(null) : findById(finder, id, token, rest, [first, second]);
}

async function findById(finder: Finder, id: string, token: string, path: string[], prefix: string[]): Promise<Found> {
  if (!id.includes('-j7d0g-')) return findInCollection(finder, id, token, path, prefix);
  const project = await finder.deps.collections.project(id, token, finder.signal);
  return project && findInProject(finder, { uuid: project.uuid, name: project.name }, token, path, prefix);
}

async function findInCollection(
  { deps, opener, fresh, signal }: Finder,
  id: string,
  token: string,
  path: string[],
  prefix: string[],
): Promise<Found> {
  const collection = await opener.open(id, token, fresh, signal);
  if (collection === null) return null;
  const tree = await deps.trees.treeOf(collection, token);
  const node = findNode(tree, path.join('/'));
  return node === null ? 'missing' : { kind: 'tree', collection, token, tree, node, path, prefix };
}

async function findInHome(finder: Finder, username: string, token: string, path: string[]): Promise<Found> {
  const home = await finder.deps.collections.home(username, token, finder.signal);
  if (home === null) return null;
  return findInProject(finder, { uuid: home.uuid, name: username }, token, path, ['users', username]);
}

/** Walks down by displayed names until a collection, which takes the rest of the path. */
async function findInProject(
  finder: Finder,
  owner: { uuid: string; name: string },
  token: string,
  path: string[],
  prefix: string[],
): Promise<Found> {
  const [name, ...rest] = path;
  if (name === undefined) {
    const entries = () => projectEntries(finder, owner.uuid, token);
    return { kind: 'virtual', name: owner.name, token, prefix, entries };
  }
  const child = (await childOf(finder.deps, owner.uuid, name, token, finder.signal)).entry;
  if (child === null) return 'missing';
  const below = [...prefix, name];
  if (child.kind === 'collection') return findInCollection(finder, child.uuid, token, rest, below);
  return findInProject(finder, { uuid: child.uuid, name }, token, rest, below);
}

async function* projectEntries({ deps, signal }: Finder, owner: string, token: string): AsyncGenerator<VirtualEntry> {
  for await (const { kind, name, modifiedAt } of deps.collections.contents(owner, token, signal)) {
    const shown = displayName(name, deps.downloads.slashSubstitution);
    if (shown !== null) yield { kind, name: shown, modifiedAt };
  }
}

/** `/`, `/users/` and `/by_id/`. The homes are always read: that proves the token, but not that its user is active. */
async function siteList(finder: Finder, name: string | undefined, token: string): Promise<VirtualTarget> {
  if (!(await finder.deps.isAccepted(token))) throw new KeepError('unauthorized');
  const homes = await finder.deps.collections.homes(token, finder.signal);
  if (name === undefined) return { kind: 'virtual', name: '', token, prefix: [], entries: siteEntries };
  const usernames = homes.map(({ username }) => username).filter((username) => displayName(username, '') !== null);
  const entries =
    name === 'users'
      ? () => toAsync(usernames.map((username) => ({ kind: 'directory' as const, name: username })))
      : () =>
          idEntries(
            finder,
            homes.filter(({ own }) => own),
            token,
          );
  return { kind: 'virtual', name, token, prefix: [name], entries };
}

async function* siteEntries(): AsyncGenerator<VirtualEntry> {
  yield { kind: 'directory', name: 'by_id' };
  yield { kind: 'directory', name: 'users' };
}

/** The direct contents of the token's own home: other collections have addresses too but are not listed. */
async function* idEntries({ deps, signal }: Finder, homes: Home[], token: string): AsyncGenerator<VirtualEntry> {
  for (const { uuid: owner } of homes) {
    for await (const { kind, uuid, name, modifiedAt } of deps.collections.contents(owner, token, signal)) {
      yield { kind, name: uuid, title: name, modifiedAt };
    }
  }
}

async function* toAsync<T>(items: T[]): AsyncGenerator<T> {
  yield* items;
}
