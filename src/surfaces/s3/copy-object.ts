import type { BlockRange, Edit, FileMetadata } from '../../collections/edit/edits.ts';
import { blockHash, blockHints, fileSegments, isDirectory } from '../../collections/file-tree.ts';
import { objectEtagOfRanges } from '../../collections/object-etag.ts';
import { httpDate } from '../../files/http-date.ts';
import type { Writing } from '../../files/writing.ts';
import { decodeUriName } from '../../keep/manifest/uri-names.ts';
import type { S3Call } from './call.ts';
import { S3Error } from './errors.ts';
import { type FoundObject, findObject } from './object.ts';
import { objectMetadata } from './object-metadata.ts';
import {
  commitEdits,
  noDirectory,
  quotedEtag,
  requireCollection,
  targetOfCommit,
  writeConditions,
} from './write-place.ts';
import { s3Document, textElement, xmlResponse } from './xml.ts';

/** Ranges of blocks that a copy may consist of: they travel to the collection in one message. */
const MAX_RANGES = 200_000;

/** CopyObject: an edit, no bytes move. */
export async function copyObject(call: S3Call): Promise<Response> {
  const { headers } = call.context.request;
  const target = await targetOfCommit(call);
  await requireCollection(call, target);
  const { writing, uuid, path, isMarker } = target;
  const directive = (headers.get('x-amz-metadata-directive') ?? 'COPY').toUpperCase();
  if (directive !== 'COPY' && directive !== 'REPLACE')
    throw new S3Error('InvalidArgument', 'x-amz-metadata-directive is COPY or REPLACE');
  const source = await copySource(call);
  if (source.collection.uuid === uuid && source.path === path && directive === 'COPY')
    throw new S3Error(
      'InvalidRequest',
      'This copy request is illegal because it is trying to copy an object to itself without changing its metadata.',
    );
  if (isDirectory(source.tree, source.node) !== isMarker)
    throw new S3Error(
      'InvalidArgument',
      'a directory is copied to a key that ends with a slash, a file to one that does not',
    );
  const now = Date.now();
  const ranges = await rangesOf(source, { offset: 0, length: source.size }, writing);
  const kept = directive === 'REPLACE' ? objectMetadata(headers, now) : { ...copied(source.metadata), modified: now };
  const metadata = source.etag === objectEtagOfRanges(ranges) || isMarker ? kept : { ...kept, etag: source.etag };
  const sum = !source.checksum ? {} : { checksum: source.checksum };
  const edit: Edit = isMarker
    ? { kind: 'mkdir', path, metadata }
    : { kind: 'put', path, ranges, metadata: { ...metadata, ...sum } };
  await commitEdits(
    call,
    target,
    [edit],
    [...writeConditions(headers, path), ...(isMarker ? [] : [noDirectory(path)])],
  );
  return copyResult('CopyObjectResult', source.etag, now);
}

export function copyResult(root: string, etag: string, modified: number): Response {
  return xmlResponse(
    s3Document(root, textElement('LastModified', new Date(modified).toISOString()) + textElement('ETag', etag)),
  );
}

/** Metadata that goes with the content: properties of WebDAV stay with their file, the ETag is bound anew. */
function copied(metadata: FileMetadata | undefined): FileMetadata {
  const { contentType, values, headers } = metadata ?? {};
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(values === undefined ? {} : { values }),
    ...(headers === undefined ? {} : { headers }),
  };
}

/**
 * The object that `x-amz-copy-source` names, if the request's conditions on it hold.
 * @throws S3Error InvalidArgument, NoSuchKey, NoSuchVersion, PreconditionFailed
 */
export async function copySource(call: S3Call): Promise<FoundObject> {
  const { headers } = call.context.request;
  const [raw = '', version] = (headers.get('x-amz-copy-source') ?? '').split(/\?versionId=/);
  if (version !== undefined && version !== 'null') throw new S3Error('NoSuchVersion');
  const slash = raw.replace(/^\//, '').replace(/%2f/gi, '/').indexOf('/');
  const text = decoded(raw).replace(/^\//, '');
  const bucket = text.slice(0, Math.max(0, slash));
  const key = text.slice(slash + 1);
  if (bucket === '' || key === '')
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  const source = await findObject({ ...call, address: { bucket, key } }, key);
  judgeSource(headers, source);
  return source;
}

function decoded(raw: string): string {
  try {
    return decodeUriName(raw);
  } catch {
    throw new S3Error('InvalidArgument', 'x-amz-copy-source is not percent-encoded');
  }
}

function judgeSource(headers: Headers, { etag, modified }: FoundObject): void {
  const tags = (name: string) => headers.get(`x-amz-copy-source-if-${name}`)?.split(',').map(quotedEtag);
  const time = (name: string) => httpDate(headers.get(`x-amz-copy-source-if-${name}`));
  const matches = (list: string[]) => list.includes('"*"') || list.includes(etag);
  const [ifMatch, ifNoneMatch] = [tags('match'), tags('none-match')];
  const [since, unmodified] = [time('modified-since'), time('unmodified-since')];
  const seconds = Math.floor(modified / 1000) * 1000;
  const holds =
    (ifMatch === undefined ? unmodified === null || seconds <= unmodified : matches(ifMatch)) &&
    (ifNoneMatch === undefined ? since === null || seconds > since : !matches(ifNoneMatch));
  if (!holds) throw new S3Error('PreconditionFailed');
}

/** The blocks behind a range of an object. @throws S3Error InvalidRequest for one in very many ranges */
export async function rangesOf(
  { tree, node, collection }: FoundObject,
  range: { offset: number; length: number },
  writing: Pick<Writing, 'citable'>,
  most = MAX_RANGES,
): Promise<BlockRange[]> {
  const ranges: BlockRange[] = [];
  if (isDirectory(tree, node)) return ranges;
  for (const { block, blockSize, offset, length } of fileSegments(tree, node, range)) {
    if (ranges.length >= most)
      throw new S3Error('InvalidRequest', `the source consists of more than ${most} ranges of blocks: upload it anew`);
    ranges.push({ locator: `${blockHash(tree, block)}+${blockSize}${blockHints(tree, block)}`, offset, length });
  }
  return ranges.length === 0 ? ranges : writing.citable(collection, ranges);
}
