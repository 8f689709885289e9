import type { Api, Row } from './api-client.ts';
import { CliError, usageError } from './cli-error.ts';
import { type CollectionAddress, isCollectionUuid, loadManifest, parseAddress } from './collection.ts';
import { type ListedDirectory, listedAt, listManifest } from './listing.ts';
import { showName } from './terminal.ts';

/** Target path in the collection -> source, as the API's `replace_files` takes them; '' deletes. */
export type Edits = Record<string, string>;

/** A manifest whose only directory is empty: what a new directory is made from. */
const EMPTY_DIRECTORY = './empty d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n';

/**
 * Changes paths of a collection, all at once, without touching the others. No data is moved.
 * @param options.mustBeNew refused where something is at a target when the change is made; clusters replace it
 * @param options.unchangedFrom refused where what is at the targets is not what this content has; clusters do not look
 */
export function editFiles(
  api: Api,
  uuid: string,
  edits: Edits,
  { mustBeNew = false, unchangedFrom = '' } = {},
): Promise<Row> {
  const usesManifest = Object.values(edits).some((source) => source.startsWith('manifest_text/'));
  return api(`arvados/v1/collections/${uuid}`, {
    query: {
      ...(mustBeNew ? { must_be_new: 'true' } : {}),
      ...(unchangedFrom === '' ? {} : { unchanged_from: unchangedFrom }),
    },
    method: 'PUT',
    body: {
      collection: usesManifest ? { manifest_text: EMPTY_DIRECTORY } : {},
      replace_files: edits,
      select: ['uuid', 'portable_data_hash'],
    },
  });
}

/** The edit that makes a directory at `path`. */
export function makeDirectory(path: string): Edits {
  return { [`/${path}`]: 'manifest_text/empty' };
}

/** What a command finds at an address. */
export interface Located extends CollectionAddress {
  portableDataHash: string;
  tree: ListedDirectory;
  /** A directory, a file's size, or undefined. */
  entry: ListedDirectory | number | undefined;
}

/** Looks addresses up; each collection is read once. */
export function createLocator(api: Api): (text: string) => Promise<Located> {
  const trees = new Map<string, Promise<{ tree: ListedDirectory; portableDataHash: string }>>();
  const load = async (id: string) => {
    const { record, manifest } = await loadManifest(api, id);
    return { tree: listManifest(manifest), portableDataHash: String(record.portable_data_hash) };
  };
  return async (text) => {
    const address = parseAddress(text);
    const loading = trees.get(address.id) ?? load(address.id);
    trees.set(address.id, loading);
    const { tree, portableDataHash } = await loading;
    return { ...address, tree, portableDataHash, entry: listedAt(tree, address.path) };
  };
}

/**
 * Looks at all addresses first, then changes each collection once.
 * @param plan the edits for one address, or null for none; it throws for an address that cannot be changed as asked
 */
export async function editEach(api: Api, texts: readonly string[], plan: (located: Located) => Edits | null) {
  const locate = createLocator(api);
  const edits = new Map<string, Edits>();
  for (const text of texts) {
    const located = await locate(text);
    checkChangeable(located);
    const planned = plan(located);
    if (planned !== null) edits.set(located.id, { ...edits.get(located.id), ...planned });
  }
  for (const [id, each] of edits) await editFiles(api, id, each);
}

/** @throws CliError when the address is not one of a collection that can be changed, with a path */
export function checkChangeable({ id, path }: CollectionAddress): void {
  if (!isCollectionUuid(id))
    throw usageError(`${id} names contents, which never change: write the UUID of a collection.`);
  if (path === '') throw usageError(`${id} is the whole collection: write /PATH behind it.`);
}

/** @throws CliError when nothing is there */
export function checkThere({ entry, id, path }: Located): void {
  if (entry === undefined) throw new CliError(`The collection ${id} has no ${showName(path)}.`);
}
