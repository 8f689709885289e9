import { entriesOf, type FileTree, isDirectory, nodeName, nodeSize } from '../../collections/file-tree.ts';
import { type Address, encodePath, takesDetours } from './address.ts';
import { contentType } from './content-type.ts';
import type { Listing, ListingEntry } from './listing.ts';
import type { Target, TreeTarget, VirtualTarget } from './target.ts';

/** Entries of a project or home that one listing holds. */
const MAX_VIRTUAL_ENTRIES = 20_000;

/** A target as a listing. @param origin scheme and host as the client knows them */
export async function listingOf(target: Target, origin: string, address: Address): Promise<Listing> {
  const components = componentsOf(target);
  const common = {
    url: origin + encodePath(components, true),
    depth: components.length,
    takesDetours: takesDetours(address),
  };
  return { ...common, ...(target.kind === 'virtual' ? await virtualListing(target) : treeListing(target)) };
}

/** Components of a target's URL. */
export function componentsOf(target: Target): string[] {
  return target.kind === 'tree' ? [...target.prefix, ...target.path] : target.prefix;
}

function treeListing({ collection, tree, node, path, prefix }: TreeTarget) {
  const { uuid, portableDataHash, modifiedAt } = collection;
  const title = collection.name || uuid || portableDataHash;
  return {
    name: path.at(-1) ?? title,
    crumbs: isSitePrefix(prefix)
      ? siteCrumbs([...prefix.slice(0, -1), prefix[0] === 'by_id' ? title : (prefix.at(-1) ?? title), ...path])
      : crumbsOf([title, ...path]),
    entries: [...entriesOf(tree, node)].map((entry) => treeEntry(tree, entry)),
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

async function virtualListing(target: VirtualTarget) {
  const entries: ListingEntry[] = [];
  for await (const { kind, name, title, modifiedAt } of target.entries()) {
    if (entries.length === MAX_VIRTUAL_ENTRIES) break;
    entries.push({
      kind,
      name,
      size: null,
      files: null,
      type: null,
      ...(title === undefined ? {} : { title }),
      ...(modifiedAt === undefined ? {} : { modified_at: modifiedAt }),
    });
  }
  const crumbs = isSitePrefix(target.prefix) ? siteCrumbs(target.prefix) : crumbsOf([target.name]);
  return { name: target.name, crumbs, entries, collection: null };
}

function isSitePrefix([first]: string[]): boolean {
  return first === undefined || first === 'by_id' || first === 'users';
}

function siteCrumbs(names: string[]) {
  return names.length === 0 ? [] : crumbsOf(['Keep', ...names]);
}

/** All but the last one, which is the page itself. */
function crumbsOf(names: string[]): Listing['crumbs'] {
  return names.slice(0, -1).map((name, i) => ({ name, href: '../'.repeat(names.length - 1 - i) }));
}
