import { listOf } from '../../blocks/block-request.ts';
import { getAcl } from './acl.ts';
import { openBucket } from './bucket.ts';
import { createBucket, deleteBucket, listBuckets } from './buckets.ts';
import type { S3Call } from './call.ts';
import { CHECKSUMS, type ChecksumName } from './checksums.ts';
import { getObject, requireCurrent } from './get-object.ts';
import { listObjects, listVersions } from './list-objects.ts';
import { findObject } from './object.ts';
import type { Operation } from './operation.ts';
import { STUBS } from './stubs.ts';
import { element, s3Document, textElement, xmlResponse } from './xml.ts';

/** Buckets, listings and reading. First match wins; see operation.ts. */
export const READ_OPERATIONS: Operation[] = [
  { on: 'object', methods: 'GET HEAD', run: getObject },
  { on: 'object', methods: 'GET', query: 'attributes', run: attributes },
  { on: 'object', methods: 'GET', query: 'acl', run: getAcl },
  { on: 'bucket', methods: 'GET', query: 'acl', run: getAcl },
  { on: 'bucket', methods: 'GET', run: listObjects },
  { on: 'bucket', methods: 'GET', query: 'versions', run: listVersions },
  { on: 'bucket', methods: 'HEAD', run: headBucket },
  { on: 'bucket', methods: 'PUT', run: createBucket },
  { on: 'bucket', methods: 'DELETE', run: deleteBucket },
  { on: 'bucket', methods: 'GET', query: 'location', run: location },
  { on: 'service', methods: 'GET', run: listBuckets },
  ...STUBS,
];

async function headBucket(call: S3Call): Promise<Response> {
  await openBucket(call);
  return new Response(null, { headers: { 'x-amz-bucket-region': call.deps.s3.clusterId } });
}

async function location(call: S3Call): Promise<Response> {
  await openBucket(call);
  return xmlResponse(s3Document('LocationConstraint', call.deps.s3.clusterId));
}

/** GetObjectAttributes, as far as there are any. */
async function attributes(call: S3Call): Promise<Response> {
  requireCurrent(call.query);
  const { etag, size, modified, checksum } = await findObject(call, call.address.key ?? '');
  const wanted = listOf(call.context.request.headers.get('x-amz-object-attributes'));
  const known = [
    ['ETag', etag.replaceAll('"', '')],
    ['StorageClass', 'STANDARD'],
    ['ObjectSize', size],
  ] as const;
  const fields = known.filter(([name]) => wanted.includes(name)).map(([name, value]) => textElement(name, value));
  if (checksum && wanted.includes('Checksum')) {
    const { element: name } = CHECKSUMS[checksum.name as ChecksumName];
    fields.push(element('Checksum', textElement(name, checksum.value) + textElement('ChecksumType', checksum.type)));
  }
  return xmlResponse(s3Document('GetObjectAttributesResponse', fields.join('')), {
    headers: { 'Last-Modified': new Date(modified).toUTCString() },
  });
}
