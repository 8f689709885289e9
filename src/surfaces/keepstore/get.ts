import { blockHeaders, bodyAnswer, callerOf } from '../../blocks/block-response.ts';
import type { BlockSource } from '../../blocks/block-source.ts';
import { NO_CACHE } from '../../blocks/edge-cache.ts';
import { readBlock, vouchForBlock } from '../../blocks/read-block.ts';
import {
  copyRemoteBlock,
  type RemoteSource,
  readHintedBlock,
  readRemoteBlock,
  vouchForHintedBlock,
  vouchForRemoteBlock,
} from '../../blocks/remote-block.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { EMPTY_HASH } from '../../keep/limits.ts';
import { hasLocalSignature, type Locator, parseLocator, remoteHint } from '../../keep/locator.ts';
import { type SigningKey, signLocator, verifySignature } from '../../keep/signature.ts';
import { VIA } from '../../services/federation.ts';

export interface GetDependencies {
  blocks: BlockSource;
  /** Blocks of other clusters and services. */
  remote: RemoteSource;
  /** For copies of other clusters' blocks, which the caller then reads from here. */
  signing: SigningKey;
  /** Null when BLOB_SIGNING is off: every block can be read without a signature. */
  readSigning: SigningKey | null;
}

/** GET and HEAD of a locator (docs/protocol/blocks.md#get). */
export async function getBlock(context: RequestContext, deps: GetDependencies): Promise<Response> {
  const text = context.path.replace(/^\/+/, '');
  const locator = parseLocator(text);
  context.log.locator = locator.hash;
  if (context.method === 'GET' && !locator.size && locator.hash !== EMPTY_HASH)
    throw new KeepError('method_not_allowed', { headers: { Allow: 'HEAD' } });
  if (remoteHint(locator) !== null && !hasLocalSignature(locator)) return getRemoteBlock(context, locator, deps);
  const permit = () => authorize(context, text, deps.readSigning);
  return context.method === 'HEAD'
    ? answerHead(context, locator, deps, permit)
    : answerGet(context, locator, deps, permit);
}

/** Checks the request's first token only. */
function authorize({ tokens, now }: RequestContext, text: string, signing: SigningKey | null): void {
  if (signing !== null) verifySignature(text, tokens[0] ?? '', now, signing);
}

async function answerGet(context: RequestContext, locator: Locator, deps: GetDependencies, permit: () => void) {
  const hinted = followsHints(context) ? await readHintedBlock(deps.remote, locator, callerOf(context), permit) : null;
  if (hinted !== null) return bodyAnswer(context, hinted);
  permit();
  const { hash, size } = locator;
  const source = wantsStored(context) ? { ...deps.blocks, cache: NO_CACHE, tier: null } : deps.blocks;
  return bodyAnswer(context, await readBlock(source, hash, { size, signal: context.signal }));
}

async function answerHead(context: RequestContext, locator: Locator, deps: GetDependencies, permit: () => void) {
  const hinted = followsHints(context)
    ? await vouchForHintedBlock(deps.remote, locator, callerOf(context), permit)
    : null;
  if (hinted !== null) return new Response(null, { headers: blockHeaders(context, hinted) });
  permit();
  const { hash, size } = locator;
  const found = await vouchForBlock(deps.blocks, hash, { size, signal: context.signal });
  return new Response(null, { headers: blockHeaders(context, found) });
}

/** Who checks what is stored asks past the caches. */
function wantsStored({ request }: RequestContext): boolean {
  return request.headers.get('Cache-Control') === 'no-cache';
}

/** Not for a request that another such service made because of a hint: two could ask each other for ever. */
function followsHints({ request }: RequestContext): boolean {
  return !(request.headers.get('Via') ?? '').includes(VIA);
}

/** GET and HEAD of a locator with a +R hint and no local signature (docs/protocol/blocks.md#remote-blocks). */
export async function getRemoteBlock(
  context: RequestContext,
  locator: Locator,
  deps: GetDependencies,
): Promise<Response> {
  if (wantsLocalCopy(context)) return answerWithCopy(context, locator, deps);
  const caller = callerOf(context);
  if (context.method === 'HEAD') {
    return new Response(null, {
      headers: blockHeaders(context, await vouchForRemoteBlock(deps.remote, locator, caller)),
    });
  }
  return bodyAnswer(context, await readRemoteBlock(deps.remote, locator, caller));
}

/** Exactly `local` before the first comma. */
function wantsLocalCopy({ request }: RequestContext): boolean {
  return request.headers.get('X-Keep-Signature')?.split(',')[0] === 'local';
}

/** The block is stored here first; the new locator, signed for the caller, has no hints of the old one. */
async function answerWithCopy(context: RequestContext, locator: Locator, deps: GetDependencies): Promise<Response> {
  const { hash } = locator;
  const size = await copyRemoteBlock(deps.remote, locator, callerOf(context));
  const expiry = Math.floor(context.now) + deps.signing.ttlSeconds;
  const signed = signLocator(`${hash}+${size}`, context.tokens[0] ?? '', expiry, deps.signing);
  // Must not be the last header of an answer, which the Python SDK would not read; X-Request-Id always follows.
  const headers = { 'X-Keep-Locator': signed };
  if (context.method === 'HEAD') {
    const copied = { size, from: 'copied', vouched: 'attested' } as const;
    return new Response(null, { headers: { ...headers, ...blockHeaders(context, copied) } });
  }
  return bodyAnswer(context, await readBlock(deps.blocks, hash, { size, signal: context.signal }), headers);
}
