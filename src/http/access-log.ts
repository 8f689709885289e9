import { isKeepError } from '../keep/errors.ts';
import { describeError, limited, redactPath } from '../keep/redact.ts';
import { VERSION } from '../keep/version.ts';
import type { RequestContext } from './context.ts';
import { failureOf } from './error-response.ts';
import { countLatency, countRequest } from './metrics.ts';
import { noteError } from './recent-errors.ts';
import { surfaceOf } from './surface-of.ts';

/**
 * Writes a request's one log line: when its body is through or has failed, if script moves the body
 * (`context.bodyDone`), else as it is handed to the runtime. Watching a handed-over body would cost a copy of every
 * byte (15 % more processor time for a 64 MiB block, see docs/decisions.md), so its line has no `timeWriteBody`.
 */
export function logResponse(context: RequestContext, response: Response, started: number): Response {
  const toStatus = Date.now() - started;
  const { bodyDone } = context;
  const length = response.body === null ? 0 : Number(response.headers.get('Content-Length') ?? -1);
  const log = (bytes: number, isBodyTimed: boolean, error?: unknown) =>
    writeLine(context, { status: response.status, bytes, started, toStatus, isBodyTimed, error });
  if (bodyDone === undefined || response.body === null) {
    log(length, false);
    return response;
  }
  context.waitUntil(
    bodyDone.then(
      () => log(length, true),
      (error: unknown) => log(-1, true, error),
    ),
  );
  return response;
}

interface Line {
  status: number;
  /** Of the body; -1 when not known or cut short. */
  bytes: number;
  /** Unix milliseconds. */
  started: number;
  /** Milliseconds until the answer's head. */
  toStatus: number;
  isBodyTimed: boolean;
  error: unknown;
}

function writeLine(context: RequestContext, line: Line): void {
  const { status, bytes, started, toStatus, isBodyTimed } = line;
  const total = Date.now() - started;
  const error = line.error ?? context.error;
  countRequest(context.method, status, toStatus, total);
  // Who is held back with a 503 is refused, as with a 429: nothing failed here.
  const isHeldBack = isKeepError(error, 'too_many_requests') || isKeepError(error, 'slow_down');
  countLatency(context.surface ?? surfaceOf(context.path), isHeldBack ? 429 : status, total);
  const fields = {
    level: error === undefined || failureOf(error).expected ? 'info' : 'error',
    time: new Date().toISOString(),
    msg: 'response',
    version: VERSION,
    RequestID: context.requestId,
    reqMethod: context.method,
    reqHost: limited(context.request.headers.get('Host') ?? ''),
    reqPath: redactPath(context.path),
    reqBytes: Number(context.request.headers.get('Content-Length') ?? 0),
    reqForwardedFor: limited(context.request.headers.get('X-Forwarded-For') ?? ''),
    respStatusCode: status,
    respBytes: bytes,
    timeToStatus: toStatus / 1000,
    timeTotal: total / 1000,
  };
  const more: Record<string, string | number | boolean> = fields;
  if (isBodyTimed) more.timeWriteBody = (total - toStatus) / 1000;
  for (const [name, value] of Object.entries(context.log))
    more[name] = typeof value === 'string' ? limited(value) : value;
  if (error !== undefined) more.error = describeError(error);
  if (fields.level === 'error')
    noteError({
      time: fields.time,
      requestId: context.requestId,
      method: context.method,
      path: limited(fields.reqPath),
      status,
      message: failureOf(error).message,
    });
  // biome-ignore lint/suspicious/noConsole: this is the log
  console.log(JSON.stringify(fields));
}
