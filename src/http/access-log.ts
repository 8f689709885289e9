import type { RequestContext } from './context.ts';
import { countRequest } from './metrics.ts';

/** keepstore logs three fields in seconds with six decimals (keep-block-api.md 3.15). */
const seconds = (milliseconds: number) => Math.round(milliseconds * 1000) / 1e6;

/**
 * One JSON line for a request, once its body is through or has failed. Field names are keepstore's; the path is cut
 * to what cannot hold a signature or token (T63).
 */
export function logResponse(context: RequestContext, started: number, outcome: Outcome): void {
  const { status, error, toStatus, bytes } = outcome;
  const total = Date.now() - started;
  countRequest(context.method, status, toStatus, total);
  const line = {
    level: error !== undefined && status >= 500 ? 'error' : 'info',
    time: new Date().toISOString(),
    msg: 'response',
    RequestID: context.requestId,
    reqMethod: context.method,
    reqHost: context.url.host,
    reqPath: redactPath(context.path),
    reqBytes: Number(context.request.headers.get('Content-Length') ?? 0),
    reqForwardedFor: context.request.headers.get('X-Forwarded-For') ?? '',
    respStatusCode: status,
    respBytes: bytes,
    timeToStatus: seconds(toStatus),
    timeTotal: seconds(total),
    timeWriteBody: seconds(total - toStatus),
    ...context.log,
    ...(error === undefined ? {} : { error: describe(error) }),
  };
  // biome-ignore lint/suspicious/noConsole: this is the log
  console.log(JSON.stringify(line));
}

export interface Outcome {
  status: number;
  bytes: number;
  /** Milliseconds from arrival to the response's head. */
  toStatus: number;
  error?: unknown;
}

/** A path without locator hints, `t=` tokens and legacy download tokens. */
export function redactPath(path: string): string {
  return path
    .replace(/^\/+/, '')
    .replace(/([0-9a-f]{32}(?:\+\d+)?)\+[^/]*/gi, '$1')
    .replace(/(^|\/)t=[^/]*/g, '$1t=…')
    .replace(/^(collections\/download\/[^/]+\/)[^/]*/, '$1…')
    .replace(/v2\/[^/]+\/[^/]+/g, 'v2/…');
}

/** An error and what caused it, in one line; messages only, no stacks. */
export function describe(error: unknown): string {
  const parts: string[] = [];
  for (let current = error; current !== undefined && parts.length < 5; ) {
    parts.push(current instanceof Error ? current.message || current.name : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ').slice(0, 1000);
}
