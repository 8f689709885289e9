import { failureOf } from '../../http/error-response.ts';
import { escapeXml } from '../../http/xml.ts';
import { type ErrorCode, isKeepError, KeepError } from '../../keep/errors.ts';
import { xmlDocument } from './xml.ts';

/** AWS's codes, as clients know them: status, message, and the failure it is for the log. */
export const S3_ERRORS = {
  AccessDenied: { status: 403, message: 'Access Denied', failure: 'forbidden' },
  AuthorizationHeaderMalformed: {
    status: 400,
    message: 'The authorization header is malformed',
    failure: 'bad_request',
  },
  AuthorizationQueryParametersError: {
    status: 400,
    message: 'The query parameters of the signature are malformed',
    failure: 'bad_request',
  },
  BadDigest: { status: 400, message: 'The body does not have the digest that was sent', failure: 'body_mismatch' },
  BucketAlreadyExists: { status: 409, message: 'The bucket exists', failure: 'conflict' },
  BucketAlreadyOwnedByYou: { status: 409, message: 'The bucket exists and is yours', failure: 'conflict' },
  BucketNotEmpty: { status: 409, message: 'The bucket you tried to delete is not empty', failure: 'conflict' },
  ConditionalRequestConflict: { status: 409, message: 'The key is being written by others', failure: 'conflict' },
  EntityTooLarge: { status: 400, message: 'The object is larger than the largest allowed', failure: 'too_large' },
  EntityTooSmall: { status: 400, message: 'The upload is smaller than the smallest allowed', failure: 'bad_request' },
  IncompleteBody: { status: 400, message: 'The body is not as long as was announced', failure: 'body_mismatch' },
  InternalError: { status: 500, message: 'We encountered an internal error. Please try again.', failure: 'internal' },
  InvalidAccessKeyId: {
    status: 403,
    message: 'The access key does not exist: it is the UUID of a token that is unknown, revoked or expired',
    failure: 'unauthorized',
  },
  InvalidArgument: { status: 400, message: 'Invalid Argument', failure: 'bad_request' },
  InvalidBucketName: { status: 400, message: 'The specified bucket is not valid', failure: 'bad_request' },
  InvalidDigest: { status: 400, message: 'The Content-MD5 is not valid', failure: 'bad_request' },
  InvalidPart: { status: 400, message: 'A part could not be found, or has another ETag', failure: 'bad_request' },
  InvalidPartOrder: { status: 400, message: 'The parts are not in ascending order', failure: 'bad_request' },
  InvalidPolicyDocument: { status: 400, message: 'The policy of the form is not valid', failure: 'bad_request' },
  InvalidRange: {
    status: 416,
    message: 'The requested range is not satisfiable',
    failure: 'range_not_satisfiable',
  },
  InvalidRequest: { status: 400, message: 'Invalid Request', failure: 'bad_request' },
  KeyTooLongError: { status: 400, message: 'Your key is too long', failure: 'bad_request' },
  MalformedPOSTRequest: {
    status: 400,
    message: 'The body of the POST is no well-formed multipart/form-data',
    failure: 'bad_request',
  },
  MalformedTrailerError: { status: 400, message: 'The trailer of the body is malformed', failure: 'bad_request' },
  MalformedXML: { status: 400, message: 'The XML you provided was not well-formed', failure: 'bad_request' },
  MetadataTooLarge: { status: 400, message: 'Your metadata headers are too large', failure: 'bad_request' },
  MethodNotAllowed: {
    status: 405,
    message: 'The specified method is not allowed against this resource',
    failure: 'method_not_allowed',
  },
  MissingContentLength: { status: 411, message: 'Content-Length is required', failure: 'length_required' },
  MissingSecurityHeader: { status: 400, message: 'A required header is missing', failure: 'bad_request' },
  NoSuchBucket: { status: 404, message: 'The specified bucket does not exist', failure: 'not_found' },
  NoSuchBucketPolicy: { status: 404, message: 'The bucket policy does not exist', failure: 'not_found' },
  NoSuchCORSConfiguration: { status: 404, message: 'The CORS configuration does not exist', failure: 'not_found' },
  NoSuchKey: { status: 404, message: 'The specified key does not exist.', failure: 'not_found' },
  NoSuchLifecycleConfiguration: {
    status: 404,
    message: 'The lifecycle configuration does not exist',
    failure: 'not_found',
  },
  NoSuchTagSet: { status: 404, message: 'The TagSet does not exist', failure: 'not_found' },
  NoSuchUpload: { status: 404, message: 'The specified upload does not exist', failure: 'not_found' },
  NoSuchVersion: { status: 404, message: 'The specified version does not exist', failure: 'not_found' },
  NoSuchWebsiteConfiguration: {
    status: 404,
    message: 'The bucket does not have a website configuration',
    failure: 'not_found',
  },
  NotImplemented: {
    status: 501,
    message: 'This service has no such operation: see docs/s3.md',
    failure: 'bad_request',
  },
  ObjectLockConfigurationNotFoundError: {
    status: 404,
    message: 'Object Lock configuration does not exist for this bucket',
    failure: 'not_found',
  },
  OperationAborted: { status: 409, message: 'A conflicting change is in progress', failure: 'conflict' },
  OwnershipControlsNotFoundError: {
    status: 404,
    message: 'The bucket ownership controls were not found',
    failure: 'not_found',
  },
  PreconditionFailed: {
    status: 412,
    message: 'At least one of the pre-conditions you specified did not hold',
    failure: 'precondition_failed',
  },
  ReplicationConfigurationNotFoundError: {
    status: 404,
    message: 'The replication configuration was not found',
    failure: 'not_found',
  },
  RequestTimeTooSkewed: {
    status: 403,
    message: "The difference between the request time and the server's time is too large",
    failure: 'forbidden',
  },
  ServerSideEncryptionConfigurationNotFoundError: {
    status: 404,
    message: 'The server side encryption configuration was not found',
    failure: 'not_found',
  },
  NoSuchPublicAccessBlockConfiguration: {
    status: 404,
    message: 'The public access block configuration was not found',
    failure: 'not_found',
  },
  ServiceUnavailable: { status: 503, message: 'Please reduce your request rate', failure: 'unavailable' },
  SignatureDoesNotMatch: {
    status: 403,
    message: 'The request signature does not match: check the secret key, and that no proxy changes the request',
    failure: 'forbidden',
  },
  SlowDown: { status: 503, message: 'Please reduce your request rate.', failure: 'slow_down' },
  XAmzContentSHA256Mismatch: {
    status: 400,
    message: 'The body does not have the SHA-256 in x-amz-content-sha256',
    failure: 'body_mismatch',
  },
} as const satisfies Record<string, { status: number; message: string; failure: ErrorCode }>;

export type S3Code = keyof typeof S3_ERRORS;

/** A refusal in the terms of S3. */
export class S3Error extends KeepError {
  readonly s3: S3Code;

  constructor(s3: S3Code, message?: string, options: { cause?: unknown; headers?: Record<string, string> } = {}) {
    super(S3_ERRORS[s3].failure, { ...options, message: message ?? S3_ERRORS[s3].message });
    this.s3 = s3;
  }
}

/** What refusals of the domain are to S3's clients. What is not here keeps its status, as InternalError or InvalidRequest. */
const CODES: Partial<Record<ErrorCode, S3Code>> = {
  bad_request: 'InvalidArgument',
  body_mismatch: 'BadDigest',
  no_token: 'AccessDenied',
  unauthorized: 'InvalidAccessKeyId',
  forbidden: 'AccessDenied',
  not_found: 'NoSuchKey',
  method_not_allowed: 'MethodNotAllowed',
  conflict: 'OperationAborted',
  length_required: 'MissingContentLength',
  precondition_failed: 'PreconditionFailed',
  too_large: 'EntityTooLarge',
  range_not_satisfiable: 'InvalidRange',
  invalid_record: 'InvalidRequest',
  locked: 'OperationAborted',
  unavailable: 'ServiceUnavailable',
  too_many_requests: 'SlowDown',
  slow_down: 'SlowDown',
};

/** Code, status and message of anything thrown. */
export function s3FailureOf(error: unknown): { code: S3Code; status: number; message: string } {
  if (error instanceof S3Error) return { code: error.s3, status: S3_ERRORS[error.s3].status, message: error.message };
  const failure = failureOf(error);
  const known = isKeepError(error) ? CODES[error.code] : failure.status === 503 ? 'ServiceUnavailable' : undefined;
  const code = known ?? (failure.status < 500 ? 'InvalidRequest' : 'InternalError');
  return { code, status: known === undefined ? failure.status : S3_ERRORS[known].status, message: failure.message };
}

/**
 * An error document. An answer to HEAD has no body.
 * @param resource path of the request, as sent
 */
export function errorResponse(
  error: unknown,
  { method, resource, requestId }: { method: string; resource: string; requestId: string },
): Response {
  const { code, status, message } = s3FailureOf(error);
  const headers = {
    'Content-Type': 'application/xml',
    'X-Content-Type-Options': 'nosniff',
    ...(status === 503 ? { 'Retry-After': '5' } : {}),
    ...(error instanceof KeepError ? error.headers : {}),
  };
  if (method === 'HEAD' || status === 499) return new Response(null, { status, headers });
  const body = [
    ['Code', code],
    ['Message', message],
    ['Resource', resource],
    ['RequestId', requestId],
  ].map(([name, text = '']) => `<${name}>${escapeXml(text)}</${name}>`);
  return new Response(xmlDocument(`<Error>${body.join('')}</Error>`), { status, headers });
}
