import { crc32 } from 'node:zlib';
import { nodeSize, ROOT_NODE } from '../../collections/file-tree.ts';
import type { CollectionDescription } from '../../collections/source.ts';
import { contentDisposition } from '../../files/content-disposition.ts';
import type { Content } from '../../files/content-response.ts';
import type { OpenBlock } from '../../files/file-parts.ts';
import { md5Hex } from '../../keep/md5.ts';
import { heldBudget } from '../../streams/held-budget.ts';
import { reserveRows, type ZipFiles, zipArchive } from '../../streams/zip/archive.ts';
import type { ZipEntries } from '../../streams/zip/format.ts';
import { archiveFiles } from './archive-files.ts';
import { archiveNames, checkNames } from './archive-names.ts';
import { type ArchiveRequest, archiveName, type ChosenFiles } from './archive-request.ts';
import type { ChecksumBook } from './checksum-book.ts';
import type { TreeTarget } from './target.ts';

/** Part of an archive's ETag: changes when the same files make other bytes. */
const ARCHIVE_FORMAT = 2;

/**
 * An archive of chosen files. Its bytes depend only on the collection's content and the request, so it has an ETag
 * and supports ranges: an interrupted download can resume. Its entries are made while it is sent.
 */
export async function archiveContent(
  target: TreeTarget,
  request: ArchiveRequest,
  files: ChosenFiles,
  {
    open,
    book,
    downloadUrl,
    description,
  }: { open: OpenBlock; book: ChecksumBook; downloadUrl: string | null; description: CollectionDescription | null },
): Promise<Content> {
  const { collection, tree, node } = target;
  const id = collection.uuid ?? collection.portableDataHash;
  const comment = downloadUrl === null ? '' : `Downloaded from ${downloadUrl}/by_id/${id}/`;
  const metadataText = request.metadata ? describe(target, description) : '';
  const metadata = request.metadata ? new TextEncoder().encode(metadataText) : null;
  const held = heldBudget.reserve();
  // Its files, and the lengths of the paths of all directories.
  held.require(files.nodes.byteLength + 4 * tree.nodeCount);
  const names = archiveNames(tree, node === ROOT_NODE ? ROOT_NODE : (tree.parents[node] ?? ROOT_NODE));
  await checkNames(names, files.nodes).catch((error) => {
    held.release();
    throw error;
  });
  const nodeOf = (entry: number) => files.nodes[entry] ?? 0;
  const entries: ZipEntries = {
    length: files.nodes.length,
    sizeOf: (entry) => nodeSize(tree, nodeOf(entry)),
    nameBytesOf: (entry) => names.lengthOf(nodeOf(entry)),
    putName: (entry, target, at) => names.put(nodeOf(entry), target, at),
  };
  const contents = archiveFiles(tree, files.nodes, open, book);
  /** Decided when the first part is made, and the same for all: they are gone through more than once. */
  let rowBytes = 0;
  const rows = () => {
    rowBytes ||= reserveRows(held);
    return rowBytes;
  };
  const archive =
    metadata === null
      ? zipArchive(entries, comment, contents, rows)
      : zipArchive(entriesAfter(metadata.byteLength, entries), comment, withFirst(metadata, contents), rows);
  // The portable data hash decides what the numbers of the nodes mean.
  const identity = [ARCHIVE_FORMAT, collection.portableDataHash, comment, metadataText, node, ...files.chosen];
  return {
    size: archive.length,
    type: 'application/zip',
    validators: { etag: `"${md5Hex(identity.join('\n'))}"`, modified: null },
    headers: { 'Content-Disposition': contentDisposition('attachment', archiveName(target, request, files)) },
    slice: archive.slice,
    end: held.release,
  };
}

/** `collection.json`. For a portable data hash it holds only that hash. */
function describe({ collection }: TreeTarget, description: CollectionDescription | null): string {
  const { uuid, portableDataHash, name, modifiedAt } = collection;
  const hash = { portable_data_hash: portableDataHash };
  if (uuid === null) return `${JSON.stringify(hash)}\n`;
  const { modified_by_user, ...rest } = description ?? { modified_by_user: null };
  const by = modified_by_user === null ? {} : { modified_by_user };
  return `${JSON.stringify({ ...hash, uuid, name, modified_at: modifiedAt, ...rest, ...by })}\n`;
}

const METADATA_NAME = new TextEncoder().encode('collection.json');

/** Entries with `collection.json` in front. @param size in bytes */
function entriesAfter(size: number, entries: ZipEntries): ZipEntries {
  return {
    length: entries.length + 1,
    sizeOf: (entry) => (entry === 0 ? size : entries.sizeOf(entry - 1)),
    nameBytesOf: (entry) => (entry === 0 ? METADATA_NAME.byteLength : entries.nameBytesOf(entry - 1)),
    putName(entry, target, at) {
      if (entry === 0) target.set(METADATA_NAME, at);
      else entries.putName(entry - 1, target, at);
    },
  };
}

/** Files with one more in front whose bytes are at hand. */
function withFirst(bytes: Uint8Array, files: ZipFiles): ZipFiles {
  return {
    slice: (entry, range) =>
      entry === 0 ? [bytes.subarray(range.offset, range.offset + range.length)] : files.slice(entry - 1, range),
    checksum: async (entry, signal) => (entry === 0 ? crc32(bytes) : files.checksum(entry - 1, signal)),
    async checksums(first, end, signal) {
      if (first > 0) return files.checksums(first - 1, end - 1, signal);
      return Uint32Array.of(crc32(bytes), ...(await files.checksums(0, end - 1, signal)));
    },
    row: (first, fits) => (first === 0 ? null : (files.row?.(first - 1, (entry) => fits(entry + 1)) ?? null)),
  };
}
