import { blockHeaders, bodyAnswer, callerOf } from '../../blocks/block-response.ts';
import { readBlock } from '../../blocks/read-block.ts';
import { copyRemoteBlock, readRemoteBlock, vouchForRemoteBlock } from '../../blocks/remote-block.ts';
import type { RequestContext } from '../../http/context.ts';
import type { Locator } from '../../keep/locator.ts';
import { signLocator } from '../../keep/signature.ts';
import type { ReadParts } from './get.ts';

/** GET and HEAD of a locator with a +R hint and no local signature (keep-block-api.md 7.3). */
export async function getRemoteBlock(context: RequestContext, locator: Locator, parts: ReadParts): Promise<Response> {
  if (wantsLocalCopy(context)) return answerWithCopy(context, locator, parts);
  const caller = callerOf(context);
  if (context.method === 'HEAD') {
    return new Response(null, {
      headers: blockHeaders(context, await vouchForRemoteBlock(parts.far, locator, caller)),
    });
  }
  return bodyAnswer(context, await readRemoteBlock(parts.far, locator, caller));
}

/** Exactly `local` before the first comma (T34). */
function wantsLocalCopy({ request }: RequestContext): boolean {
  return request.headers.get('X-Keep-Signature')?.split(',')[0] === 'local';
}

/** The block is stored here first; the new locator, signed for the caller, has no hints of the old one. */
async function answerWithCopy(context: RequestContext, locator: Locator, parts: ReadParts): Promise<Response> {
  const { hash } = locator;
  const size = await copyRemoteBlock(parts.far, locator, callerOf(context));
  const expiry = Math.floor(context.now) + parts.signing.ttlSeconds;
  const signed = signLocator(`${hash}+${size}`, context.tokens[0] ?? '', expiry, parts.signing);
  // Never the last header of an answer: X-Request-Id always follows (arvados-client-contract.md 5.6).
  const headers = { 'X-Keep-Locator': signed };
  if (context.method === 'HEAD') {
    const copied = { size, from: 'copied', vouched: 'attested' } as const;
    return new Response(null, { headers: { ...headers, ...blockHeaders(context, copied) } });
  }
  return bodyAnswer(context, await readBlock(parts.blocks, hash, { size, signal: context.signal }), headers);
}
