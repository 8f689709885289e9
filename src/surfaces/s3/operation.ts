import type { S3Handler } from './call.ts';

/** One row of the table of operations. */
export interface Operation {
  on: 'service' | 'bucket' | 'object';
  /** Separated by spaces. */
  methods: string;
  /** Sub-resources that the query must name, separated by spaces: all of them, and no other. Missing: none. */
  query?: string;
  /** A header that must be there, lower case. */
  header?: string;
  run: S3Handler;
}

/** What the query names that is not the bucket or object itself. */
const SUB_RESOURCES = new Set(
  (
    'accelerate acl analytics append attributes cors delete encryption intelligent-tiering inventory legal-hold ' +
    'lifecycle location logging metadataConfiguration metadataTable metrics notification object-lock ' +
    'ownershipControls policy policyStatus publicAccessBlock renameObject replication requestPayment restore ' +
    'retention select select-type session tagging torrent uploadId uploads versioning versions website'
  ).split(' '),
);

/**
 * The sub-resources that a query names. A parameter that is not known and has no value is one too: what is meant for a
 * sub-resource must never reach the object itself.
 */
export function subResources(query: URLSearchParams, method: string): string[] {
  const named = [...query].filter(
    ([name, value]) =>
      SUB_RESOURCES.has(name) ||
      (value === '' && /^[a-z][A-Za-z]*$/.test(name) && !PLAIN.has(name)) ||
      // A part is written under its number, but read as a range of the object.
      (name === 'partNumber' && method === 'PUT'),
  );
  return [...new Set(named.map(([name]) => name))];
}

/** Parameters that may be empty. */
const PLAIN = new Set(['prefix', 'marker', 'delimiter', 'versionId', 'partNumber']);

/** The first operation that a request is; null when there is none. */
export function findOperation(
  operations: readonly Operation[],
  on: Operation['on'],
  request: Request,
  query: URLSearchParams,
): Operation | null {
  const named = subResources(query, request.method);
  const found = operations.find(
    (operation) =>
      operation.on === on &&
      operation.methods.split(' ').includes(request.method) &&
      sameSet(operation.query?.split(' ') ?? [], named) &&
      (operation.header === undefined || request.headers.has(operation.header)),
  );
  return found ?? null;
}

function sameSet(wanted: string[], named: string[]): boolean {
  return wanted.length === named.length && wanted.every((name) => named.includes(name));
}
