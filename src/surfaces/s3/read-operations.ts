import { openBucket } from './bucket.ts';
import type { S3Call } from './call.ts';
import { getObject } from './get-object.ts';
import { listObjects, listVersions } from './list-objects.ts';
import type { Operation } from './operation.ts';
import { s3Document, xmlResponse } from './xml.ts';

/** What changes nothing. First match wins; see operation.ts. */
export const READ_OPERATIONS: Operation[] = [
  { on: 'object', methods: 'GET HEAD', run: getObject },
  { on: 'bucket', methods: 'HEAD', run: headBucket },
  { on: 'bucket', methods: 'GET', run: listObjects },
  { on: 'bucket', methods: 'GET', query: 'versions', run: listVersions },
  { on: 'bucket', methods: 'GET', query: 'location', run: location },
  { on: 'bucket', methods: 'GET', query: 'versioning', run: versioning },
];

async function headBucket(call: S3Call): Promise<Response> {
  await openBucket(call);
  return new Response(null, { headers: { 'x-amz-bucket-region': call.deps.s3.clusterId } });
}

async function location(call: S3Call): Promise<Response> {
  await openBucket(call);
  return xmlResponse(s3Document('LocationConstraint', call.deps.s3.clusterId));
}

async function versioning(call: S3Call): Promise<Response> {
  await openBucket(call);
  return xmlResponse(s3Document('VersioningConfiguration', ''));
}
