import { type CompleteRequest, MAX_PARTS } from '../../collections/uploads/upload.ts';
import { isKeepError } from '../../keep/errors.ts';
import { bucketName, objectKey, type S3Call } from './call.ts';
import { CHECKSUMS } from './checksums.ts';
import { S3Error } from './errors.ts';
import { uploadId } from './multipart.ts';
import { requestXml } from './request-xml.ts';
import { noDirectory, quotedEtag, writeConditions, writeTarget } from './write-place.ts';
import { uploadsOf } from './writer.ts';
import { s3Document, textElement, xmlResponse } from './xml.ts';
import { children, childText, type XmlNode } from './xml-document.ts';

/** CompleteMultipartUpload: the parts become the segments of one file. May be asked again when the answer was lost. */
export async function completeUpload(call: S3Call): Promise<Response> {
  const { headers, url } = call.context.request;
  const target = await writeTarget(call);
  const { writer, uuid, path } = target;
  const parts = partsToComplete(await requestXml(call, 'CompleteMultipartUpload', { hasOwnChecksum: false }));
  const size = headers.get('x-amz-mp-object-size');
  if (size !== null && !/^\d{1,15}$/.test(size))
    throw new S3Error('InvalidRequest', 'x-amz-mp-object-size is not a number');
  const id = uploadId(call);
  const request: CompleteRequest = {
    id,
    path,
    parts,
    writer,
    conditions: [...writeConditions(headers, path), noDirectory(path)],
    checksum: wholeChecksum(headers),
    size: size === null ? null : Number(size),
  };
  const { etag, checksum } = await uploadsOf(call)
    .complete(uuid, request)
    .catch((error: unknown) => {
      throw failure(error);
    });
  const fields = [
    textElement('Location', url.split('?')[0] ?? ''),
    textElement('Bucket', bucketName(call)),
    textElement('Key', objectKey(call)),
    textElement('ETag', etag),
    ...(checksum === null
      ? []
      : [textElement(CHECKSUMS[checksum.name].element, checksum.value), textElement('ChecksumType', checksum.type)]),
  ];
  return xmlResponse(s3Document('CompleteMultipartUploadResult', fields.join('')));
}

/** Headers of checksums are those of the whole here, not of the document. */
function wholeChecksum(headers: Headers): CompleteRequest['checksum'] {
  for (const name of Object.keys(CHECKSUMS)) {
    const value = headers.get(`x-amz-checksum-${name}`);
    if (value !== null) return { name, value };
  }
  return null;
}

/** @throws S3Error MalformedXML, InvalidPartOrder */
export function partsToComplete(document: XmlNode): CompleteRequest['parts'] {
  const parts = children(document, 'Part').map((part) => {
    const number = childText(part, 'PartNumber')?.trim() ?? '';
    const etag = childText(part, 'ETag');
    if (!/^\d{1,5}$/.test(number) || etag === undefined) throw new S3Error('MalformedXML');
    const checksum = Object.values(CHECKSUMS).flatMap(({ element }) => childText(part, element) ?? [])[0] ?? null;
    return { number: Number(number), etag: quotedEtag(etag), checksum };
  });
  if (parts.length === 0 || parts.length > MAX_PARTS) throw new S3Error('MalformedXML');
  if (parts.some(({ number }, i) => i > 0 && number <= (parts[i - 1]?.number ?? 0)))
    throw new S3Error('InvalidPartOrder');
  return parts;
}

function failure(error: unknown): unknown {
  if (!isKeepError(error)) return error;
  const { message } = error;
  if (error.code === 'not_found')
    return message.startsWith('The specified key') ? new S3Error('NoSuchKey') : new S3Error('NoSuchUpload', message);
  if (error.code === 'invalid_list') return new S3Error('InvalidPart', message);
  if (error.code === 'body_mismatch') return new S3Error('BadDigest', message);
  return error;
}
