import { entriesOf, type FileTree, isDirectory, nodeName, nodeSize } from '../../collections/file-tree.ts';
import { contentType } from '../../files/content-type.ts';
import { encodePath } from '../../keep/uri-paths.ts';
import { type Address, takesDetours } from './address.ts';
import type { Listing, ListingEntry } from './listing.ts';
import type { Target, TreeTarget, VirtualTarget } from './target.ts';

/** A target as a listing. @param origin scheme and host as the client knows them */
export function listingOf(target: Target, origin: string, address: Address): Listing {
  const components = componentsOf(target);
  const common = {
    url: origin + encodePath(components, true),
    depth: components.length,
    takesDetours: takesDetours(address),
  };
  return { ...common, ...(target.kind === 'virtual' ? virtualListing(target) : treeListing(target)) };
}

/** Components of a target's URL. */
export function componentsOf(target: Target): string[] {
  return target.kind === 'tree' ? [...target.prefix, ...target.path] : target.prefix;
}

function treeListing(target: TreeTarget) {
  const { collection, tree, node, path, prefix } = target;
  const { uuid, portableDataHash, modifiedAt } = collection;
  const title = collection.name || uuid || portableDataHash;
  const names = isSitePrefix(prefix)
    ? siteNames([...prefix.slice(0, -1), prefix[0] === 'by_id' ? title : (prefix.at(-1) ?? title), ...path])
    : [title, ...path];
  return {
    name: path.at(-1) ?? title,
    crumbs: crumbsOf(names, componentsOf(target)),
    *entries() {
      for (const entry of entriesOf(tree, node)) yield treeEntry(tree, entry);
    },
    path,
    totals: { files: tree.fileCounts[node] ?? 0, bytes: nodeSize(tree, node), entries: tree.counts[node] ?? 0 },
    collection: {
      uuid,
      portable_data_hash: portableDataHash,
      name: collection.name,
      modified_at: uuid === null ? null : modifiedAt,
    },
  };
}

function treeEntry(tree: FileTree, node: number): ListingEntry {
  const name = nodeName(tree, node);
  const directory = isDirectory(tree, node);
  return {
    kind: directory ? 'directory' : 'file',
    name,
    size: nodeSize(tree, node),
    files: directory ? (tree.fileCounts[node] ?? 0) : null,
    type: directory ? null : contentType(name),
  };
}

function virtualListing(target: VirtualTarget) {
  const names = isSitePrefix(target.prefix) ? siteNames(target.prefix) : [target.name];
  return {
    name: target.name,
    crumbs: crumbsOf(names, target.prefix),
    async *entries() {
      for await (const { kind, name, title, modifiedAt } of target.entries()) {
        yield {
          kind,
          name,
          size: null,
          files: null,
          type: null,
          ...(title === undefined ? {} : { title }),
          ...(modifiedAt === undefined ? {} : { modified_at: modifiedAt }),
        };
      }
    },
    path: [],
    totals: null,
    collection: null,
  };
}

function isSitePrefix([first]: string[]): boolean {
  return first === undefined || first === 'by_id' || first === 'users';
}

function siteNames(names: string[]): string[] {
  return names.length === 0 ? [] : ['Keep', ...names];
}

/** A path may have thousands of components, and each crumb holds all that precede it. */
const MAX_CRUMBS = 40;
const FIRST_CRUMBS = 2;

/**
 * All but the last one, which is the page itself; of a very long path those at both ends.
 * @param components of the page's URL; each name stands for one more of them than the name before
 */
function crumbsOf(names: string[], components: string[]): Listing['crumbs'] {
  const left = Math.max(0, names.length - 1 - MAX_CRUMBS);
  return names.slice(0, -1).flatMap((name, i) => {
    if (i >= FIRST_CRUMBS && i < FIRST_CRUMBS + left) return [];
    const above = names.length - 1 - i;
    const isAfterGap = left > 0 && i === FIRST_CRUMBS + left;
    return [
      { name: isAfterGap ? `… ${name}` : name, href: encodePath(components.slice(0, components.length - above), true) },
    ];
  });
}
