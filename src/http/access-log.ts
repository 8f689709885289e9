import type { RequestContext } from './context.ts';
import { failureOf } from './errors.ts';
import { countRequest } from './metrics.ts';

/** A body up to this size is logged when its answer starts: it is through before anybody could look. */
const SMALL_BODY_BYTES = 64 * 1024;

/**
 * Sees to it that a request gets its one log line once the body is through or has failed, and returns the response to
 * send. Whoever pumps a body says when it ends (`context.bodyDone`); a large native body takes a native detour.
 */
export function logResponse(context: RequestContext, response: Response, started: number): Response {
  const toStatus = Date.now() - started;
  const { bodyDone } = context;
  const length = Number(response.headers.get('Content-Length') ?? -1);
  const log = (bytes: number, error?: unknown) => writeLine(context, response.status, bytes, started, toStatus, error);
  const logAfter = (done: Promise<unknown>) =>
    context.waitUntil(
      done.then(
        () => log(length),
        (error: unknown) => log(-1, error),
      ),
    );
  if (response.body !== null && bodyDone !== undefined) {
    logAfter(bodyDone);
  } else if (response.body !== null && length > SMALL_BODY_BYTES) {
    const { readable, writable } = new FixedLengthStream(length);
    logAfter(response.body.pipeTo(writable));
    return new Response(readable, response);
  } else {
    log(response.body === null ? 0 : length);
  }
  return response;
}

function writeLine(
  context: RequestContext,
  status: number,
  bytes: number,
  started: number,
  toStatus: number,
  bodyError: unknown,
): void {
  const total = Date.now() - started;
  const error = bodyError ?? context.error;
  countRequest(context.method, status, toStatus, total);
  const line = {
    level: error === undefined || failureOf(error).expected ? 'info' : 'error',
    time: new Date().toISOString(),
    msg: 'response',
    RequestID: context.requestId,
    reqMethod: context.method,
    reqHost: context.url.host,
    reqPath: redactPath(context.path),
    reqBytes: Number(context.request.headers.get('Content-Length') ?? 0),
    reqForwardedFor: context.request.headers.get('X-Forwarded-For') ?? '',
    respStatusCode: status,
    // -1: not known, or cut short
    respBytes: bytes,
    timeToStatus: toStatus / 1000,
    timeTotal: total / 1000,
    timeWriteBody: (total - toStatus) / 1000,
    ...context.log,
    ...(error === undefined ? {} : { error: describe(error) }),
  };
  // biome-ignore lint/suspicious/noConsole: this is the log
  console.log(JSON.stringify(line));
}

/** A path without locator hints, `t=` tokens, legacy download tokens and v2 tokens (T63). */
export function redactPath(path: string): string {
  return path
    .replace(/^\/+/, '')
    .replace(/([0-9a-f]{32}(?:\+\d+)?)\+[^/]*/gi, '$1')
    .replace(/v2\/[^/]+\/[^/]+/g, 'v2/…')
    .replace(/(^|\/)t=[^/]*/g, '$1t=…')
    .replace(/^(collections\/download\/[^/]+\/)[^/]*/, '$1…');
}

/** An error and what caused it in one line: messages only, no stacks. */
export function describe(error: unknown): string {
  const messages: string[] = [];
  for (let current = error; current !== undefined && messages.length < 5; ) {
    messages.push(current instanceof Error ? current.message || current.name : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return messages.join(': ').slice(0, 1000);
}
