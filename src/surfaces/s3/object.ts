import type { FileMetadata } from '../../collections/edit/edits.ts';
import { fileEtag } from '../../collections/file-etag.ts';
import { type FileTree, findNode, isDirectory, nodeSize, ROOT_NODE } from '../../collections/file-tree.ts';
import { effectiveObjectEtag, objectEtag } from '../../collections/object-etag.ts';
import type { OpenCollection } from '../../collections/source.ts';
import { contentType } from '../../files/content-type.ts';
import { openBucket, placeOf } from './bucket.ts';
import { checkKey, type S3Call } from './call.ts';
import { S3Error } from './errors.ts';

/** An object that is there: a file, or an empty directory under a key that ends with a slash. */
export interface FoundObject {
  collection: OpenCollection;
  tree: FileTree;
  node: number;
  /** In the collection, without slashes at either end. */
  path: string;
  size: number;
  metadata: FileMetadata | undefined;
  /** With quotes. */
  etag: string;
  /** The checksum that its content was sent with. */
  checksum: FileMetadata['checksum'] | null;
  type: string;
  /** Unix milliseconds. */
  modified: number;
}

export const DIRECTORY_TYPE = 'application/x-directory';

/**
 * The object under a key.
 * @throws S3Error NoSuchKey, NoSuchBucket, AccessDenied
 */
export async function findObject(call: S3Call, key: string): Promise<FoundObject> {
  const bucket = await openBucket(call);
  // A key that cannot be is not there.
  const { collection, path: below } = await placeOf(call, existing(key), bucket);
  const isMarker = below.endsWith('/');
  const path = isMarker ? below.slice(0, -1) : below;
  const tree = await call.deps.trees.treeOf(collection, call.client.token);
  const node = findNode(tree, path);
  if (node === null || node === ROOT_NODE || isDirectory(tree, node) !== isMarker) throw new S3Error('NoSuchKey');
  // Directories with files in them are prefixes of keys, as everywhere in S3.
  if (isMarker && (tree.counts[node] ?? 0) > 0) throw new S3Error('NoSuchKey');
  const metadata = (await call.deps.collections.metadata(collection, [path])).get(path);
  return {
    collection,
    tree,
    node,
    path,
    size: isMarker ? 0 : nodeSize(tree, node),
    metadata,
    etag: await etagOf(tree, node, metadata),
    checksum: isMarker ? null : await checksumOf(tree, node, metadata),
    type: metadata?.contentType ?? (isMarker ? DIRECTORY_TYPE : contentType(path.slice(path.lastIndexOf('/') + 1))),
    modified: metadata?.modified ?? Date.parse(collection.modifiedAt),
  };
}

/** An object's ETag, the same wherever it is shown: the one that a client was given for this content, else a derived one. */
export async function etagOf(tree: FileTree, node: number, metadata: FileMetadata | undefined): Promise<string> {
  if (isDirectory(tree, node)) return EMPTY_ETAG;
  const own = await objectEtag(tree, node);
  return metadata?.etag === undefined ? own : effectiveObjectEtag(own, await fileEtag(tree, node), metadata);
}

/** The checksum that is kept, if it is of this content. */
async function checksumOf(tree: FileTree, node: number, metadata: FileMetadata | undefined) {
  const { checksum, of } = metadata ?? {};
  return checksum !== undefined && of === (await fileEtag(tree, node)) ? checksum : null;
}

/** The MD5 of nothing. */
export const EMPTY_ETAG = '"d41d8cd98f00b204e9800998ecf8427e"';

function existing(key: string): string {
  try {
    return checkKey(key);
  } catch {
    throw new S3Error('NoSuchKey');
  }
}
