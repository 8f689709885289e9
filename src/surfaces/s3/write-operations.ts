import { copyObject } from './copy-object.ts';
import { deleteObject, deleteObjects } from './delete-objects.ts';
import type { Operation } from './operation.ts';
import { putObject } from './put-object.ts';

/** What changes objects. First match wins; see operation.ts. */
export const WRITE_OPERATIONS: Operation[] = [
  { on: 'object', methods: 'PUT', header: 'x-amz-copy-source', run: copyObject },
  { on: 'object', methods: 'PUT', run: putObject },
  { on: 'object', methods: 'DELETE', run: deleteObject },
  { on: 'bucket', methods: 'POST', query: 'delete', run: deleteObjects },
];
