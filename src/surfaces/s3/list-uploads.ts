import { MAX_PARTS, type Upload } from '../../collections/uploads/upload.ts';
import { encodeUriName } from '../../keep/manifest/uri-names.ts';
import { type Bucket, openBucket } from './bucket.ts';
import { bucketName, objectKey, type S3Call } from './call.ts';
import { CHECKSUMS } from './checksums.ts';
import { S3Error } from './errors.ts';
import { countParameter } from './list-objects.ts';
import { uploadOf } from './multipart.ts';
import { writeTarget } from './write-place.ts';
import { uploadsOf } from './writer.ts';
import { element, s3Document, textElement, xmlResponse } from './xml.ts';

const MAX_PAGE = 1000;
/** Collections of a project whose uploads are listed together. */
const MAX_COLLECTIONS = 1000;

/** ListParts. */
export async function listParts(call: S3Call): Promise<Response> {
  const target = await writeTarget(call);
  const upload = await uploadOf(call, target);
  const limit = countParameter(call.query, 'max-parts', MAX_PAGE);
  const marker = call.query.has('part-number-marker') ? countParameter(call.query, 'part-number-marker', MAX_PARTS) : 0;
  const found = await uploadsOf(call).parts(target.uuid, upload.id, marker, limit + 1);
  const page = found.slice(0, limit);
  const { checksum } = upload;
  const parts = page.map((part) =>
    element(
      'Part',
      textElement('PartNumber', part.number) +
        textElement('LastModified', new Date(part.modified).toISOString()) +
        textElement('ETag', part.etag) +
        textElement('Size', part.size) +
        (checksum === null || part.checksum === null
          ? ''
          : textElement(CHECKSUMS[checksum.name].element, part.checksum)),
    ),
  );
  const isTruncated = found.length > page.length;
  return xmlResponse(
    s3Document(
      'ListPartsResult',
      [
        textElement('Bucket', bucketName(call)),
        textElement('Key', objectKey(call)),
        textElement('UploadId', upload.id),
        ownerOf('Initiator', upload),
        ownerOf('Owner', upload),
        textElement('StorageClass', 'STANDARD'),
        textElement('PartNumberMarker', marker),
        textElement('NextPartNumberMarker', page.at(-1)?.number ?? marker),
        textElement('MaxParts', limit),
        textElement('IsTruncated', isTruncated),
        ...(checksum === null
          ? []
          : [
              textElement('ChecksumAlgorithm', CHECKSUMS[checksum.name].s3),
              textElement('ChecksumType', checksum.type),
            ]),
        ...parts,
      ].join(''),
    ),
  );
}

/** ListMultipartUploads, by key, then upload. */
export async function listUploads(call: S3Call): Promise<Response> {
  const { query } = call;
  const limit = countParameter(query, 'max-uploads', MAX_PAGE);
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
  const keyMarker = query.get('key-marker') ?? '';
  const idMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '');
  const isEncoded = query.get('encoding-type') === 'url';
  const names = isEncoded ? (text: string) => encodeUriName(text) : (text: string) => text;
  const items: string[] = [];
  let last = { key: '', id: '' };
  let lastPrefix = keyMarker;
  let isTruncated = false;
  for await (const { key, upload } of uploadsFrom(call, await openBucket(call), prefix, {
    key: keyMarker,
    id: idMarker,
  })) {
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const common = end < 0 ? null : key.slice(0, end + delimiter.length);
    if (common !== null && common === lastPrefix) continue;
    if (items.length >= limit) {
      isTruncated = true;
      break;
    }
    last = { key: common ?? key, id: common === null ? upload.id : '' };
    if (common !== null) lastPrefix = common;
    items.push(common === null ? uploadElement(names(key), upload) : commonPrefix(names(common)));
  }
  return xmlResponse(
    s3Document(
      'ListMultipartUploadsResult',
      [
        textElement('Bucket', bucketName(call)),
        textElement('KeyMarker', names(keyMarker)),
        textElement('UploadIdMarker', idMarker),
        ...(isTruncated
          ? [textElement('NextKeyMarker', names(last.key)), textElement('NextUploadIdMarker', last.id)]
          : []),
        textElement('Prefix', names(prefix)),
        ...(delimiter === '' ? [] : [textElement('Delimiter', names(delimiter))]),
        textElement('MaxUploads', limit),
        textElement('IsTruncated', isTruncated),
        ...(isEncoded ? [textElement('EncodingType', 'url')] : []),
        ...items,
      ].join(''),
    ),
  );
}

interface Place {
  key: string;
  id: string;
}

/** Uploads whose keys begin with the prefix, behind a place in their order. */
async function* uploadsFrom(call: S3Call, bucket: Bucket, prefix: string, after: Place) {
  for await (const { uuid, above } of collectionsOf(call, bucket)) {
    if (!above.startsWith(prefix) && !prefix.startsWith(above)) continue;
    const isBefore = !after.key.startsWith(above);
    if (isBefore && after.key > above) continue;
    const wanted = prefix.startsWith(above) ? prefix.slice(above.length) : '';
    let at = isBefore
      ? { path: '', id: '' }
      : { path: after.key.slice(above.length), id: after.id === '' ? '\uffff' : after.id };
    // What begins with the prefix comes at or behind it.
    if (at.path < wanted) at = { path: wanted, id: '' };
    for (;;) {
      const page = await uploadsOf(call).list(uuid, { ...at, limit: MAX_PAGE });
      for (const upload of page) {
        if (!upload.path.startsWith(wanted)) return;
        yield { key: above + upload.path, upload };
      }
      const end = page.at(-1);
      if (end === undefined || page.length < MAX_PAGE) break;
      at = { path: end.path, id: end.id };
    }
  }
}

/** The collections of a bucket, with what their keys begin with, in the order of that. */
async function* collectionsOf({ deps, client, context }: S3Call, bucket: Bucket) {
  if (bucket.kind === 'collection') {
    const { uuid } = bucket.collection;
    if (uuid === null) throw new S3Error('AccessDenied', 'a portable data hash names content, which never changes');
    yield { uuid, above: '' };
    return;
  }
  const found: { uuid: string; above: string }[] = [];
  for await (const { kind, uuid, name } of deps.collections.contents(bucket.uuid, client.token, context.signal)) {
    if (kind === 'collection') found.push({ uuid, above: `${name}/` });
    if (found.length >= MAX_COLLECTIONS) break;
  }
  yield* found.sort((a, b) => (a.above < b.above ? -1 : 1));
}

function uploadElement(key: string, upload: Upload): string {
  return element(
    'Upload',
    textElement('Key', key) +
      textElement('UploadId', upload.id) +
      ownerOf('Initiator', upload) +
      ownerOf('Owner', upload) +
      textElement('StorageClass', 'STANDARD') +
      textElement('Initiated', new Date(upload.createdAt).toISOString()) +
      (upload.checksum === null ? '' : textElement('ChecksumAlgorithm', CHECKSUMS[upload.checksum.name].s3)),
  );
}

function commonPrefix(prefix: string): string {
  return element('CommonPrefixes', textElement('Prefix', prefix));
}

function ownerOf(name: 'Initiator' | 'Owner', { userUuid }: Upload): string {
  return element(name, textElement('ID', userUuid) + textElement('DisplayName', userUuid));
}
