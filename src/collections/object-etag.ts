import { EMPTY_HASH, MAX_BLOCK_BYTES } from '../keep/limits.ts';
import type { FileMetadata } from './edit/edits.ts';
import { etagOfRanges, fileEtag } from './file-etag.ts';
import { blockAt, blockHash, type FileTree, fileExtents, nodeSize } from './file-tree.ts';

/**
 * The ETag that S3 clients see where none is kept with the file: the MD5 of the content where the content is one whole
 * block, because they compare it with their own; else the file's digest with a `-`, which says that it is no MD5.
 */
export async function objectEtag(tree: FileTree, file: number): Promise<string> {
  const size = nodeSize(tree, file);
  if (size === 0) return quoted(EMPTY_HASH);
  if (size <= MAX_BLOCK_BYTES) {
    const extents = fileExtents(tree, file);
    const [first, second] = [extents.next().value, extents.next().value];
    const block = first === undefined ? 0 : blockAt(tree, first.start);
    const isWhole =
      tree.blockStarts[block] === first?.start && tree.blockStarts[block + 1] === (first?.start ?? 0) + size;
    if (second === undefined && isWhole) return quoted(blockHash(tree, block));
  }
  return dashed(await fileEtag(tree, file), size);
}

/** The object ETag that a file of these ranges will have. */
export function objectEtagOfRanges(ranges: readonly { locator: string; offset: number; length: number }[]): string {
  const filled = ranges.filter(({ length }) => length > 0);
  const [first] = filled;
  if (first === undefined) return quoted(EMPTY_HASH);
  const [hash = '', blockSize] = first.locator.split('+');
  if (filled.length === 1 && first.offset === 0 && first.length === Number(blockSize)) return quoted(hash);
  return dashed(
    etagOfRanges(ranges),
    filled.reduce((sum, { length }) => sum + length, 0),
  );
}

/** As effectiveEtag, for S3: a stored ETag goes before the derived one if it is for the same content. */
export function effectiveObjectEtag(own: string, derived: string, metadata: FileMetadata | undefined): string {
  const { etag, objectEtag: stored = etag, of = derived } = metadata ?? {};
  return stored !== undefined && of === derived ? stored : own;
}

function dashed(etag: string, size: number): string {
  return `${etag.slice(0, -1)}-${Math.ceil(size / MAX_BLOCK_BYTES)}"`;
}

function quoted(hash: string): string {
  return `"${hash}"`;
}
