import type { BlockRange } from '../../collections/edit/edits.ts';
import { objectEtagOfRanges } from '../../collections/object-etag.ts';
import type { StoredPart } from '../../collections/uploads/part-rows.ts';
import { MAX_PART_RANGES, MAX_PARTS, type Upload, type UploadChecksum } from '../../collections/uploads/upload.ts';
import { isKeepError } from '../../keep/errors.ts';
import { bucketName, objectKey, type S3Call } from './call.ts';
import { CHECKSUMS, checksumHeaders, checksumNamed } from './checksums.ts';
import { copyResult, copySource, rangesOf } from './copy-object.ts';
import { parseByteRange } from './copy-range.ts';
import { S3Error } from './errors.ts';
import { objectMetadata } from './object-metadata.ts';
import { receiveObject } from './receive-object.ts';
import { targetOfCommit, uploadDestination, type WriteTarget, writeTarget } from './write-place.ts';
import { uploadsOf } from './writer.ts';
import { s3Document, textElement, xmlResponse } from './xml.ts';

/** CreateMultipartUpload. */
export async function createUpload(call: S3Call): Promise<Response> {
  const { headers } = call.context.request;
  const target = await targetOfCommit(call);
  const { writer, uuid, path, isMarker } = target;
  if (isMarker) throw new S3Error('InvalidArgument', 'a key that ends with a slash names a directory: it has no parts');
  await uploadDestination(call, target);
  const checksum = uploadChecksum(headers);
  const metadata = objectMetadata(headers, Date.now());
  const id = await uploadsOf(call).create({
    collectionUuid: uuid,
    path,
    userUuid: writer.user.uuid,
    metadata,
    checksum,
  });
  const fields = textElement('Bucket', bucketName(call)) + textElement('Key', objectKey(call));
  return xmlResponse(s3Document('InitiateMultipartUploadResult', fields + textElement('UploadId', id)), {
    headers:
      checksum === null
        ? {}
        : { 'x-amz-checksum-algorithm': CHECKSUMS[checksum.name].s3, 'x-amz-checksum-type': checksum.type },
  });
}

/** @throws S3Error InvalidRequest for a type that the algorithm does not have */
function uploadChecksum(headers: Headers): UploadChecksum | null {
  const algorithm = headers.get('x-amz-checksum-algorithm');
  const type = headers.get('x-amz-checksum-type')?.toUpperCase();
  if (algorithm === null) {
    if (type === undefined) return null;
    throw new S3Error('InvalidRequest', 'x-amz-checksum-type needs x-amz-checksum-algorithm');
  }
  const name = checksumNamed(algorithm);
  const types: UploadChecksum['type'][] = name.startsWith('sha')
    ? ['COMPOSITE']
    : name === 'crc64nvme'
      ? ['FULL_OBJECT']
      : ['COMPOSITE', 'FULL_OBJECT'];
  const chosen = types.find((known) => type === undefined || known === type);
  if (chosen === undefined)
    throw new S3Error(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${name} checksum algorithm.`,
    );
  return { name, type: chosen };
}

/** The upload that a call names. @throws S3Error NoSuchUpload, AccessDenied */
export async function uploadOf(call: S3Call, { uuid, path, writer: { user } }: WriteTarget): Promise<Upload> {
  const uploads = uploadsOf(call);
  const found = await uploads.find(uuid, uploadId(call), path).catch((error: unknown) => {
    throw isKeepError(error, 'not_found') ? new S3Error('NoSuchUpload') : error;
  });
  if (uploads.isOwnersOnly && found.userUuid !== user.uuid && !user.isAdmin)
    throw new S3Error('AccessDenied', 'only who began an upload goes on with it');
  return found;
}

export function uploadId({ query }: S3Call): string {
  return query.get('uploadId') ?? '';
}

function partNumber({ query }: S3Call): number {
  const text = query.get('partNumber') ?? '';
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > MAX_PARTS)
    throw new S3Error('InvalidArgument', `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`);
  return number;
}

/** UploadPart. A part is kept as its blocks: nothing is written again when the upload is completed. */
export async function uploadPart(call: S3Call): Promise<Response> {
  const number = partNumber(call);
  const target = await targetOfCommit(call);
  const destination = await uploadDestination(call, target);
  const upload = await uploadOf(call, target);
  const wanted = upload.checksum?.name ?? null;
  const received = await receiveObject(call, destination, { md5: true, checksum: wanted });
  if (wanted !== null && received.checksum?.name !== wanted)
    throw new S3Error(
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${wanted}, actual checksum Type: ${received.checksum?.name}`,
    );
  const ranges = received.blocks.map(({ locator, size }): BlockRange => ({ locator, offset: 0, length: size }));
  const etag = received.md5 === null ? objectEtagOfRanges(ranges) : `"${received.md5}"`;
  const checksum = wanted === null ? null : (received.checksum?.value ?? null);
  await addPart(call, target, upload, { number, etag, size: received.size, checksum, modified: Date.now(), ranges });
  return new Response(null, { headers: { ETag: etag, ...checksumHeaders(received.checksum) } });
}

/** UploadPartCopy: an edit, no bytes move. */
export async function uploadPartCopy(call: S3Call): Promise<Response> {
  const number = partNumber(call);
  const target = await targetOfCommit(call);
  await uploadDestination(call, target);
  const upload = await uploadOf(call, target);
  if (upload.checksum !== null)
    throw new S3Error(
      'NotImplemented',
      'parts of an upload with checksums are sent, not copied: create it without one',
    );
  const source = await copySource(call);
  const range = parseByteRange(call.context.request.headers.get('x-amz-copy-source-range'), source.size);
  const ranges = await rangesOf(source, range, target.writing, MAX_PART_RANGES);
  const modified = Date.now();
  const etag = objectEtagOfRanges(ranges);
  await addPart(call, target, upload, { number, etag, size: range.length, checksum: null, modified, ranges });
  return copyResult('CopyPartResult', etag, modified);
}

async function addPart(call: S3Call, { uuid, path }: WriteTarget, { id }: Upload, part: StoredPart): Promise<void> {
  try {
    await uploadsOf(call).addPart(uuid, id, path, part);
  } catch (error) {
    throw isKeepError(error, 'not_found') ? new S3Error('NoSuchUpload') : error;
  }
}

/** AbortMultipartUpload. */
export async function abortUpload(call: S3Call): Promise<Response> {
  const target = await writeTarget(call);
  const { writing, uuid, path } = target;
  const { id } = await uploadOf(call, target);
  await writing.requireWritable(uuid, target.writer);
  await uploadsOf(call)
    .abort(uuid, id, path)
    .catch((error: unknown) => {
      throw isKeepError(error, 'not_found') ? new S3Error('NoSuchUpload') : error;
    });
  return new Response(null, { status: 204 });
}
