import { nodeSize } from '../../collections/file-tree.ts';
import type { CollectionDescription } from '../../collections/source.ts';
import { KeepError } from '../../keep/errors.ts';
import { nameBytes } from '../../keep/manifest/names.ts';
import { md5Hex } from '../../keep/md5.ts';
import { type ZipFiles, zipArchive } from '../../streams/zip/archive.ts';
import { crc32 } from '../../streams/zip/crc32.ts';
import { archiveFiles } from './archive-files.ts';
import { type ArchiveRequest, archiveName, type ChosenFile } from './archive-request.ts';
import type { ChecksumBook } from './checksum-book.ts';
import { contentDisposition } from './content-disposition.ts';
import type { Content } from './content-response.ts';
import type { OpenBlock } from './file-parts.ts';
import type { TreeTarget } from './target.ts';

const MAX_NAME_BYTES = 0xffff;
/** Of all paths together, which stand in memory until the archive ends. */
const MAX_NAMES_BYTES = 64 * 1024 * 1024;

/**
 * An archive of chosen files. Its bytes depend only on the collection's content and the request, so it has an ETag
 * and supports ranges: an interrupted download can resume.
 */
export function archiveContent(
  target: TreeTarget,
  request: ArchiveRequest,
  files: ChosenFile[],
  {
    open,
    book,
    downloadUrl,
    description,
  }: { open: OpenBlock; book: ChecksumBook; downloadUrl: string | null; description: CollectionDescription | null },
): Content {
  const { collection, tree } = target;
  const id = collection.uuid ?? collection.portableDataHash;
  const comment = downloadUrl === null ? '' : `Downloaded from ${downloadUrl}/by_id/${id}/`;
  const metadataText = request.metadata ? describe(target, description) : '';
  const metadata = request.metadata ? new TextEncoder().encode(metadataText) : null;
  const contents = archiveFiles(
    tree,
    files.map(({ node }) => node),
    open,
    book,
  );
  const entries = entriesOf(target, files);
  if (metadata !== null) entries.unshift({ name: nameBytes('collection.json'), size: metadata.byteLength });
  const archive = zipArchive(entries, comment, metadata === null ? contents : withFirst(metadata, contents));
  const identity = [collection.portableDataHash, comment, metadataText];
  const names = files.map(({ node, name }) => `${node} ${name}`);
  const filename = archiveName(target, request, files);
  return {
    size: archive.length,
    type: 'application/zip',
    validators: { etag: `"${md5Hex([...identity, ...names].join('\n'))}"`, modified: null },
    headers: { 'Content-Disposition': contentDisposition('attachment', filename) },
    slice: archive.slice,
  };
}

/** @throws KeepError bad_request at the first path that is too long: few files can have gigabytes of paths */
function entriesOf({ tree }: TreeTarget, files: ChosenFile[]): { name: Uint8Array; size: number }[] {
  let bytes = 0;
  return files.map(({ node, name }) => {
    const encoded = nameBytes(name);
    bytes += encoded.byteLength;
    if (encoded.byteLength > MAX_NAME_BYTES)
      throw new KeepError('bad_request', { message: `a ZIP archive cannot hold paths over ${MAX_NAME_BYTES} bytes` });
    if (bytes > MAX_NAMES_BYTES)
      throw new KeepError('bad_request', {
        message: 'these paths are too long for one ZIP archive: choose fewer files',
      });
    return { name: encoded, size: nodeSize(tree, node) };
  });
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

/** Files with one more in front whose bytes are at hand. */
function withFirst(bytes: Uint8Array, files: ZipFiles): ZipFiles {
  return {
    slice: (entry, range) =>
      entry === 0 ? [bytes.subarray(range.offset, range.offset + range.length)] : files.slice(entry - 1, range),
    checksum: async (entry, signal) => (entry === 0 ? crc32(bytes) : files.checksum(entry - 1, signal)),
  };
}
