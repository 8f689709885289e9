import { blockHeaders, bodyAnswer, callerOf } from '../../blocks/block-response.ts';
import { type BlockSource, readBlock, vouchForBlock } from '../../blocks/read-block.ts';
import { type FarSource, readHintedBlock, vouchForHintedBlock } from '../../blocks/remote-block.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { EMPTY_HASH } from '../../keep/limits.ts';
import { hasLocalSignature, type Locator, parseLocator, remoteHint } from '../../keep/locator.ts';
import { type SigningKey, verifySignature } from '../../keep/signature.ts';
import { VIA } from '../../services/federation.ts';
import { getRemoteBlock } from './remote-read.ts';

export interface ReadParts {
  blocks: BlockSource;
  /** Blocks of other clusters and services. */
  far: FarSource;
  /** For copies of other clusters' blocks, which the caller then reads from here. */
  signing: SigningKey;
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
  if (remoteHint(locator) !== null && !hasLocalSignature(locator)) return getRemoteBlock(context, locator, parts);
  const permit = () => authorize(context, text, parts.readSigning);
  return context.method === 'HEAD'
    ? answerHead(context, locator, parts, permit)
    : answerGet(context, locator, parts, permit);
}

/** Judges the request's first token only (T24). */
function authorize({ tokens, now }: RequestContext, text: string, signing: SigningKey | null): void {
  if (signing !== null) verifySignature(text, tokens[0] ?? '', now, signing);
}

async function answerGet(context: RequestContext, locator: Locator, parts: ReadParts, permit: () => void) {
  const hinted = followsHints(context) ? await readHintedBlock(parts.far, locator, callerOf(context), permit) : null;
  if (hinted !== null) return bodyAnswer(context, hinted);
  permit();
  const { hash, size } = locator;
  return bodyAnswer(context, await readBlock(parts.blocks, hash, { size, signal: context.signal }));
}

async function answerHead(context: RequestContext, locator: Locator, parts: ReadParts, permit: () => void) {
  const hinted = followsHints(context)
    ? await vouchForHintedBlock(parts.far, locator, callerOf(context), permit)
    : null;
  if (hinted !== null) return new Response(null, { headers: blockHeaders(context, hinted) });
  permit();
  const { hash, size } = locator;
  const found = await vouchForBlock(parts.blocks, hash, { size, signal: context.signal });
  return new Response(null, { headers: blockHeaders(context, found) });
}

/** A request that another such service made on account of a hint ends here, or two could ask each other for ever. */
function followsHints({ request }: RequestContext): boolean {
  return !(request.headers.get('Via') ?? '').includes(VIA);
}
