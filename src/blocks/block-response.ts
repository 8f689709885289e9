import type { RequestContext } from '../http/context.ts';
import { BLOCK_CORS } from '../http/cors.ts';
import type { Caller } from '../services/federation.ts';
import type { BlockFound, BlockRead } from './block-source.ts';

/** The answer to a GET of a block, with its body. */
export function bodyAnswer(context: RequestContext, found: BlockRead, headers: Record<string, string> = {}): Response {
  if (found.done !== undefined) context.bodyDone = found.done;
  return new Response(found.body, { headers: { ...headers, ...blockHeaders(context, found) } });
}

/** Also adds to the log line. Clients and proxies must not share the body, even if the edge cache keeps it. */
export function blockHeaders(context: RequestContext, { size, from, vouched }: BlockFound): Record<string, string> {
  const cache = from === 'cache' ? 'hit' : 'miss';
  Object.assign(context.log, { cache, mount: from, vouched });
  return {
    ...BLOCK_CORS,
    Vary: 'X-Keep-Signature',
    'X-Request-Id': context.requestId,
    'Content-Length': String(size),
    'Content-Type': 'application/octet-stream',
    'Cache-Control': 'private, no-transform',
    'X-Content-Type-Options': 'nosniff',
    'Keep-Edge-Status': cache === 'hit' ? 'hit' : `miss; mount=${from}; ${vouched}`,
  };
}

/** The caller that other services are asked for. Only the first token counts. */
export function callerOf({ tokens, requestId, now, signal }: RequestContext): Caller {
  return { token: tokens[0] ?? '', requestId, now, signal };
}
