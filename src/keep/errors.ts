/**
 * The one table of failures: code -> what the client is told.
 * Statuses are keepstore's, because clients decide by them whether to retry (docs/protocol/blocks.md#error-statuses).
 * `expected` marks what a client or its data caused: logged at info, never an alert.
 */
export const ERRORS = {
  bad_request: { status: 400, message: 'Bad Request', expected: true },
  invalid_locator: { status: 400, message: 'invalid locator', expected: true },
  invalid_signature: { status: 400, message: 'invalid signature', expected: true },
  body_mismatch: {
    status: 400,
    message: 'the body does not match the digest or length it was sent with',
    expected: true,
  },
  invalid_list: { status: 400, message: 'the list is not valid', expected: true },
  invalid_remote_hint: { status: 400, message: 'invalid remote hint', expected: true },
  unknown_remote: { status: 400, message: 'remote cluster not configured', expected: true },
  obsolete_token: {
    status: 400,
    message: 'this token format cannot be used with other clusters: use a v2 token',
    expected: true,
  },
  no_token: { status: 401, message: 'no token provided in Authorization header', expected: true },
  expired_signature: { status: 401, message: 'expired signature', expected: true },
  unauthorized: { status: 401, message: 'Unauthorized', expected: true },
  forbidden: { status: 403, message: 'Forbidden', expected: true },
  not_found: { status: 404, message: 'file does not exist', expected: true },
  method_not_allowed: { status: 405, message: 'method not allowed', expected: true },
  conflict: { status: 409, message: 'conflict', expected: true },
  length_required: { status: 411, message: 'Content-Length is required', expected: true },
  precondition_failed: { status: 412, message: 'precondition failed', expected: true },
  too_large: { status: 413, message: 'a block holds at most 67108864 bytes', expected: true },
  range_not_satisfiable: { status: 416, message: 'range not satisfiable', expected: true },
  invalid_record: { status: 422, message: 'the record is not valid', expected: true },
  locked: { status: 423, message: 'locked', expected: true },
  too_many_requests: { status: 429, message: 'too many requests', expected: true },
  client_gone: { status: 499, message: '', expected: true },
  internal: { status: 500, message: 'internal error', expected: false },
  unreadable_manifest: { status: 500, message: 'the manifest of this collection cannot be read', expected: false },
  hash_collision: { status: 500, message: 'hash collision', expected: false },
  corrupt: { status: 502, message: 'checksum mismatch in stored data', expected: false },
  bad_gateway: { status: 502, message: 'the upstream service failed', expected: false },
  unavailable: { status: 503, message: 'volume unavailable', expected: false },
  /** Too many requests of a client that gives up at a 429, as Keep's do: docs/protocol/blocks.md#error-statuses. */
  slow_down: { status: 503, message: 'too many requests', expected: true },
  not_configured: {
    status: 503,
    message: 'this service is not configured; its log says what is missing',
    expected: false,
  },
  full: { status: 507, message: 'insufficient storage', expected: false },
} as const satisfies Record<string, { status: number; message: string; expected: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}

export interface KeepErrorOptions {
  /** Replaces the table's message on the wire. Must never hold a token, a signature or a stack. */
  message?: string;
  /** Takes the message's place for admins: names of buckets and keys, which readers must not learn. */
  details?: string;
  /** The underlying error: for the log only. */
  cause?: unknown;
  /** Extra response headers, such as Content-Range or X-Keep-Replicas-Stored. */
  headers?: Record<string, string>;
}

/** The only error that modules throw on purpose. */
export class KeepError extends Error {
  override readonly name = 'KeepError';
  readonly code: ErrorCode;
  readonly headers: Record<string, string>;
  readonly details: string | null;

  constructor(code: ErrorCode, { message, details, cause, headers = {} }: KeepErrorOptions = {}) {
    super(message ?? ERRORS[code].message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.headers = headers;
    this.details = details ?? null;
  }

  /** HTTP status of this error. */
  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** True when `error` is a KeepError, of the given code if one is named. */
export function isKeepError(error: unknown, code?: ErrorCode): error is KeepError {
  return error instanceof KeepError && (code === undefined || error.code === code);
}
