import type { Operation } from './operation.ts';

/** What changes objects. First match wins; see operation.ts. */
export const WRITE_OPERATIONS: Operation[] = [];
