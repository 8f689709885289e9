import { ERRORS, isKeepError, KeepError } from '../keep/errors.ts';

/** What a failure looks like on the wire and in the log. */
export interface Failure {
  status: number;
  message: string;
  expected: boolean;
  headers: Record<string, string>;
}

/**
 * What D1, R2 (10001, 10043 and 10058) and KV throw when they are temporarily unavailable, and what the runtime throws
 * when any of them, an S3 server or a Durable Object disconnects in the middle. A wrong statement says SQLITE: that is
 * a bug here.
 */
const STORE_UNAVAILABLE =
  /^D1_ERROR: (?!.*SQLITE)|\(100(?:01|43|58)\)$|^KV \w+ failed: (?:429|5\d\d)|^Network connection lost/s;

const GENERIC: Failure = { ...ERRORS.internal, headers: {} };

/** Maps anything thrown to what the client is told: an unknown error becomes a bare 500. */
export function failureOf(error: unknown): Failure {
  if (isKeepError(error)) return { ...ERRORS[error.code], message: error.message, headers: headersOf(error) };
  if (error instanceof DOMException && error.name === 'AbortError') return { ...ERRORS.client_gone, headers: {} };
  if (isStoreUnavailable(error)) return failureOf(new KeepError('unavailable'));
  return GENERIC;
}

/** The runtime marks failures of Durable Objects that may pass. */
function isStoreUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { retryable, overloaded } = error as { retryable?: unknown; overloaded?: unknown };
  return retryable === true || overloaded === true || STORE_UNAVAILABLE.test(error.message);
}

/** keepstore's shape: the text and one newline. */
export function textError(error: unknown): Response {
  const { status, message, headers } = failureOf(error);
  // 499: the client is gone, and the body is not read.
  const body = message === '' ? null : `${message}\n`;
  return new Response(body, {
    status,
    headers: { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff', ...headers },
  });
}

function headersOf({ code, headers }: KeepError): Record<string, string> {
  if (code === 'unavailable' || code === 'full' || code === 'not_configured') return { 'Retry-After': '5', ...headers };
  return headers;
}
