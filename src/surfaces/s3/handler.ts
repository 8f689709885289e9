import { type RequestContext, rawPath, requireAdmitted } from '../../http/context.ts';
import { S3_CORS, s3Preflight } from '../../http/cors.ts';
import { isFormBody, s3AddressOf } from './address.ts';
import { authenticate } from './authenticate.ts';
import type { S3Dependencies } from './dependencies.ts';
import { errorResponse, S3Error } from './errors.ts';
import { findOperation, type Operation, subResources } from './operation.ts';
import { postObject } from './post-object.ts';
import { READ_OPERATIONS } from './read-operations.ts';
import { EMPTY_SHA256, type VerifiedSignature } from './signature.ts';
import { WRITE_OPERATIONS } from './write-operations.ts';

const OPERATIONS: Operation[] = [...READ_OPERATIONS, ...WRITE_OPERATIONS];

/** Answers a request that is S3's (isS3): AWS's operations on collections and projects (docs/s3.md). Nothing is thrown. */
export async function s3(context: RequestContext, deps: S3Dependencies): Promise<Response> {
  const response = await attempt(context, deps);
  response.headers.set('x-amz-request-id', context.requestId);
  for (const [name, value] of Object.entries(S3_CORS)) response.headers.set(name, value);
  return response;
}

async function attempt(context: RequestContext, deps: S3Dependencies): Promise<Response> {
  try {
    return await answer(context, deps);
  } catch (error) {
    context.error = error;
    const { method, request, requestId } = context;
    return errorResponse(error, { method, resource: rawPath(request.url), requestId });
  }
}

/** What is signed for a body must not do without it. Bodies are checked where they are read. */
function requireEmptyHash({ body, headers }: Request, signed: VerifiedSignature | null): void {
  const isEmpty = body === null || headers.get('Content-Length') === '0';
  const hash = signed?.payloadHash ?? '';
  if (isEmpty && /^[0-9a-f]{64}$/.test(hash) && hash !== EMPTY_SHA256)
    throw new S3Error(
      'XAmzContentSHA256Mismatch',
      'the request has no body, and x-amz-content-sha256 is not of nothing',
    );
}

async function answer(context: RequestContext, deps: S3Dependencies): Promise<Response> {
  requireAdmitted(context);
  const { request } = context;
  if (request.method === 'OPTIONS')
    return new Response(null, { headers: s3Preflight(request.headers.get('Access-Control-Request-Headers')) });
  const address = s3AddressOf(context, deps.s3);
  const query = request.url.includes('?') ? context.url.searchParams : new URLSearchParams();
  const on = address.bucket === null ? 'service' : address.key === null ? 'bucket' : 'object';
  const isForm = on === 'bucket' && request.method === 'POST' && isFormBody(request.headers);
  if (isForm && !request.headers.has('Authorization')) return postObject(context, deps, address);
  const { client, signed } = await authenticate(context, deps);
  requireEmptyHash(request, signed);
  if (client.user !== null) context.log.userUUID = client.user.uuid;
  const operation = findOperation(OPERATIONS, on, request, query);
  if (operation === null) {
    const [named] = subResources(query, request.method);
    throw named === undefined
      ? new S3Error('MethodNotAllowed')
      : new S3Error(
          'NotImplemented',
          `this service has no ?${named.slice(0, 40)} for ${request.method}: see docs/s3.md`,
        );
  }
  return operation.run({ context, deps, address, query, client, signed });
}
