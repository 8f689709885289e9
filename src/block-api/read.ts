import { type BlockSource, readBlock, vouchForBlock } from '../blocks/read-block.ts';
import type { RequestContext } from '../http/context.ts';
import { BLOCK_CORS } from '../http/cors.ts';
import { KeepError } from '../keep/errors.ts';
import { EMPTY_HASH } from '../keep/limits.ts';
import { type Locator, parseLocator } from '../keep/locator.ts';
import { type SigningKey, verifySignature } from '../keep/signature.ts';

export interface ReadParts {
  blocks: BlockSource;
  /** Null when BLOB_SIGNING is off: everybody may read everything (keep-block-api.md 2.3). */
  readSigning: SigningKey | null;
}

/** GET and HEAD of a locator (keep-block-api.md 3.5). */
export async function getBlock(context: RequestContext, parts: ReadParts): Promise<Response> {
  const text = context.path.replace(/^\/+/, '');
  const locator = parseLocator(text);
  context.log.locator = locator.hash;
  if (context.method === 'GET' && !locator.size && locator.hash !== EMPTY_HASH)
    throw new KeepError('method_not_allowed', { headers: { Allow: 'HEAD' } });
  authorize(context, text, parts.readSigning);
  return context.method === 'HEAD' ? answerHead(context, locator, parts) : answerGet(context, locator, parts);
}

/** Judges the request's first token only (T24). */
function authorize({ tokens, now }: RequestContext, text: string, signing: SigningKey | null): void {
  if (signing !== null) verifySignature(text, tokens[0] ?? '', now, signing);
}

async function answerGet(context: RequestContext, { hash, size }: Locator, { blocks }: ReadParts): Promise<Response> {
  const found = await readBlock(blocks, hash, { size, signal: context.signal });
  if (found.done !== undefined) context.bodyDone = found.done;
  return new Response(found.body, { headers: blockHeaders(context, found) });
}

async function answerHead(context: RequestContext, { hash, size }: Locator, { blocks }: ReadParts): Promise<Response> {
  const found = await vouchForBlock(blocks, hash, { size, signal: context.signal });
  return new Response(null, { headers: blockHeaders(context, found) });
}

/** Also tells the log what happened. The body is private to its reader, whatever the edge keeps. */
function blockHeaders(
  context: RequestContext,
  { size, from, vouched }: { size: number; from: string; vouched: string },
): Record<string, string> {
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
