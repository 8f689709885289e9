import { entriesOf, isDirectory, nodeName, nodeSize } from '../../collections/file-tree.ts';
import { encodePath } from '../../keep/uri-paths.ts';
import type { DirectoryView, FileView, ReadBytes } from '../../pages/views.ts';
import { commandLines } from './command-lines.ts';
import type { Listing, Sorting } from './listing.ts';
import { breadcrumbs, filesSection } from './listing-page.ts';
import type { Target, TreeTarget } from './target.ts';

const README = /^readme(\.(md|markdown|txt|rst))?$/i;
/** Names that are looked through for a README, and for an index beside a file. */
const MAX_LOOKED_AT = 20_000;
const MAX_LOOKED_AT_BYTES = 2 * 1024 * 1024;

/** @param bytesOf how a file of the target's tree is read */
export async function directoryView(
  target: Target,
  listing: Listing,
  shown: { sorting: Sorting; page: number },
  facts: { ownOrigin: boolean; ownerUuid: string | null },
  bytesOf: (node: number) => ReadBytes,
): Promise<DirectoryView> {
  const isTree = target.kind === 'tree';
  const readme = isTree ? readmeOf(target) : null;
  return {
    ...viewOf(target, facts.ownOrigin, breadcrumbs(listing), listing.name || 'Keep'),
    ownerUuid: facts.ownerUuid,
    files: await filesSection(listing, shown.sorting, shown.page),
    commands: commandLines(listing),
    totals: listing.totals,
    readme:
      readme === null
        ? null
        : { name: readme.name, read: async (most) => new TextDecoder().decode(await bytesOf(readme.node)(most)) },
  };
}

export function fileView(
  target: TreeTarget,
  crumbs: string,
  facts: { ownOrigin: boolean; type: string },
  bytesOf: (node: number) => ReadBytes,
): FileView {
  const { tree, node, path, prefix } = target;
  return {
    ...viewOf(target, facts.ownOrigin, crumbs, path.at(-1) ?? ''),
    size: nodeSize(tree, node),
    type: facts.type,
    href: encodePath([...prefix, ...path]),
    read: bytesOf(node),
    siblings: siblingsOf(target),
  };
}

function viewOf(target: Target, ownOrigin: boolean, crumbs: string, name: string) {
  const isTree = target.kind === 'tree';
  return {
    token: target.token,
    ownOrigin,
    crumbs,
    name,
    collection: isTree ? target.collection : null,
    root: encodePath(target.prefix, true),
    path: isTree ? target.path : [],
  };
}

function readmeOf({ tree, node }: TreeTarget): { name: string; node: number } | null {
  let looked = 0;
  for (const entry of entriesOf(tree, node)) {
    if (++looked > MAX_LOOKED_AT) return null;
    const name = nodeName(tree, entry);
    if (README.test(name) && !isDirectory(tree, entry)) return { name, node: entry };
  }
  return null;
}

function siblingsOf({ tree, node }: TreeTarget): string[] | null {
  const parent = tree.parents[node];
  if (parent === undefined || (tree.counts[parent] ?? 0) > MAX_LOOKED_AT) return null;
  const first = tree.firsts[parent] ?? 0;
  const bytes = (tree.nameStarts[first + (tree.counts[parent] ?? 0)] ?? 0) - (tree.nameStarts[first] ?? 0);
  if (bytes > MAX_LOOKED_AT_BYTES) return null;
  return [...entriesOf(tree, parent)].map((entry) => nodeName(tree, entry));
}
