import type { RequestContext } from '../http/context.ts';
import { BLOCK_CORS } from '../http/cors.ts';
import type { Caller } from '../services/federation.ts';
import type { BlockFound, BlockRead } from './read-block.ts';

/** The answer to a GET of a block, with its body. */
export function bodyAnswer(context: RequestContext, found: BlockRead, headers: Record<string, string> = {}): Response {
  if (found.done !== undefined) context.bodyDone = found.done;
  return new Response(found.body, { headers: { ...headers, ...blockHeaders(context, found) } });
}

/** Also tells the log what happened. The body is private to its reader, whatever the edge keeps. */
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

/** On whose behalf other services are asked: only the first token counts (T24). */
export function callerOf({ tokens, requestId, now, signal }: RequestContext): Caller {
  return { token: tokens[0] ?? '', requestId, now, signal };
}
