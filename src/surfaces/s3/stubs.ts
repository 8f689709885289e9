import { openBucket } from './bucket.ts';
import type { S3Call, S3Handler } from './call.ts';
import { type S3Code, S3Error } from './errors.ts';
import { findObject } from './object.ts';
import type { Operation } from './operation.ts';
import { element, s3Document, textElement, xmlResponse } from './xml.ts';

/** What clients ask on the way about features that are not here: that there is nothing of the kind. */
export const STUBS: Operation[] = [
  { on: 'bucket', methods: 'GET', query: 'versioning', run: nothing('VersioningConfiguration') },
  { on: 'bucket', methods: 'GET', query: 'accelerate', run: nothing('AccelerateConfiguration') },
  { on: 'bucket', methods: 'GET', query: 'logging', run: nothing('BucketLoggingStatus') },
  { on: 'bucket', methods: 'GET', query: 'notification', run: nothing('NotificationConfiguration') },
  {
    on: 'bucket',
    methods: 'GET',
    query: 'requestPayment',
    run: nothing('RequestPaymentConfiguration', textElement('Payer', 'BucketOwner')),
  },
  { on: 'bucket', methods: 'GET', query: 'cors', run: missing('NoSuchCORSConfiguration') },
  {
    on: 'bucket',
    methods: 'GET',
    query: 'encryption',
    run: missing('ServerSideEncryptionConfigurationNotFoundError'),
  },
  { on: 'bucket', methods: 'GET', query: 'lifecycle', run: missing('NoSuchLifecycleConfiguration') },
  { on: 'bucket', methods: 'GET', query: 'object-lock', run: missing('ObjectLockConfigurationNotFoundError') },
  { on: 'bucket', methods: 'GET', query: 'ownershipControls', run: missing('OwnershipControlsNotFoundError') },
  { on: 'bucket', methods: 'GET', query: 'policy', run: missing('NoSuchBucketPolicy') },
  { on: 'bucket', methods: 'GET', query: 'policyStatus', run: missing('NoSuchBucketPolicy') },
  { on: 'bucket', methods: 'GET', query: 'publicAccessBlock', run: missing('NoSuchPublicAccessBlockConfiguration') },
  { on: 'bucket', methods: 'GET', query: 'replication', run: missing('ReplicationConfigurationNotFoundError') },
  { on: 'bucket', methods: 'GET', query: 'tagging', run: missing('NoSuchTagSet') },
  { on: 'bucket', methods: 'GET', query: 'website', run: missing('NoSuchWebsiteConfiguration') },
  { on: 'object', methods: 'GET', query: 'tagging', run: tagging },
];

function nothing(root: string, content = ''): S3Handler {
  return async (call) => {
    await openBucket(call);
    return xmlResponse(s3Document(root, content));
  };
}

function missing(code: S3Code): S3Handler {
  return async (call) => {
    await openBucket(call);
    throw new S3Error(code);
  };
}

async function tagging(call: S3Call): Promise<Response> {
  await findObject(call, call.address.key ?? '');
  return xmlResponse(s3Document('Tagging', element('TagSet', '')));
}
