import { putAcl } from './acl.ts';
import { completeUpload } from './complete-upload.ts';
import { copyObject } from './copy-object.ts';
import { deleteObject, deleteObjects } from './delete-objects.ts';
import { listParts, listUploads } from './list-uploads.ts';
import { abortUpload, createUpload, uploadPart, uploadPartCopy } from './multipart.ts';
import type { Operation } from './operation.ts';
import { putObject } from './put-object.ts';

/** What changes objects. First match wins; see operation.ts. */
export const WRITE_OPERATIONS: Operation[] = [
  { on: 'object', methods: 'PUT', query: 'partNumber uploadId', header: 'x-amz-copy-source', run: uploadPartCopy },
  { on: 'object', methods: 'PUT', query: 'partNumber uploadId', run: uploadPart },
  { on: 'object', methods: 'POST', query: 'uploads', run: createUpload },
  { on: 'object', methods: 'POST', query: 'uploadId', run: completeUpload },
  { on: 'object', methods: 'DELETE', query: 'uploadId', run: abortUpload },
  { on: 'object', methods: 'GET', query: 'uploadId', run: listParts },
  { on: 'bucket', methods: 'GET', query: 'uploads', run: listUploads },
  { on: 'bucket', methods: 'PUT', query: 'acl', run: putAcl },
  { on: 'object', methods: 'PUT', query: 'acl', run: putAcl },
  { on: 'object', methods: 'PUT', header: 'x-amz-copy-source', run: copyObject },
  { on: 'object', methods: 'PUT', run: putObject },
  { on: 'object', methods: 'DELETE', run: deleteObject },
  { on: 'bucket', methods: 'POST', query: 'delete', run: deleteObjects },
];
