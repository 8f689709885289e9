import { requireAccount } from '../../accounts/access.ts';
import type { Authority } from '../../accounts/account.ts';
import { blockHeaders, bodyAnswer, callerOf } from '../../blocks/block-response.ts';
import type { BlockSource } from '../../blocks/block-source.ts';
import { readBlock, vouchForBlock } from '../../blocks/read-block.ts';
import { adoptedOr } from '../../blocks/read-range.ts';
import type { RequestContext } from '../../http/context.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { EMPTY_HASH } from '../../keep/limits.ts';
import { formatLocator, type Locator, parseLocator, remoteHint } from '../../keep/locator.ts';
import { type SigningKey, verifySignature } from '../../keep/signature.ts';
import type { Caller } from '../../services/federation.ts';
import { ServicesError } from '../../services/services-error.ts';
import { type KeepProxy, permitted, READER_SCOPE, refuseLoops, viaHeader } from './proxy.ts';

export interface ProxyGetDependencies {
  proxy: KeepProxy;
  authority: Authority;
  /** What gateways have. */
  blocks: BlockSource;
  signing: SigningKey;
}

/** GET and HEAD through the proxy: the keepstores check the signature (docs/protocol/blocks.md#proxy). */
export async function proxyGet(
  context: RequestContext,
  { proxy, authority, blocks, signing }: ProxyGetDependencies,
): Promise<Response> {
  refuseLoops(context);
  const locator = withoutClusterHints(parseLocator(context.path.replace(/^\/+/, '')));
  context.log.locator = locator.hash;
  const { tokens, signal } = context;
  await permitted(requireAccount(authority, { tokens, method: 'GET', path: READER_SCOPE, signal }));
  const caller = callerOf(context);
  const fromKeepstores = () =>
    answer(context, locator, proxy, caller).catch((error: unknown) => {
      throw error instanceof ServicesError ? proxyError(error) : error;
    });
  if (!mayBeAdopted(context, locator, blocks, signing)) return fromKeepstores();
  return adoptedOr(() => adoptedAnswer(context, locator, blocks), fromKeepstores);
}

/** Keepstores know nothing of what a gateway has, so its signature is checked here; one that is not good is theirs to refuse. */
function mayBeAdopted(context: RequestContext, locator: Locator, blocks: BlockSource, signing: SigningKey): boolean {
  if (blocks.last === undefined || blocks.last.length === 0 || locator.hash === EMPTY_HASH) return false;
  try {
    verifySignature(formatLocator(locator), context.tokens[0] ?? '', context.now, signing);
    return true;
  } catch (error) {
    if (isKeepError(error)) return false;
    throw error;
  }
}

/** @throws KeepError not_found when no gateway has it */
async function adoptedAnswer(context: RequestContext, { hash, size }: Locator, blocks: BlockSource): Promise<Response> {
  const options = { size, signal: context.signal };
  if (context.method === 'HEAD')
    return new Response(null, { headers: blockHeaders(context, await vouchForBlock(blocks, hash, options)) });
  return bodyAnswer(context, await readBlock(blocks, hash, options), viaHeader(context));
}

async function answer(context: RequestContext, locator: Locator, proxy: KeepProxy, caller: Caller): Promise<Response> {
  const client = proxy.clientFor(caller);
  const { hash, size } = locator;
  let text = formatLocator(locator);
  const headers: Record<string, string> = viaHeader(context);
  if (remoteHint(locator) !== null && context.request.headers.get('X-Keep-Signature')?.split(',')[0] === 'local') {
    // The keepstore makes the copy; the original keepproxy drops this header.
    const copied = await client.head(text, { signal: caller.signal, localSignature: true });
    if (copied.locator === null) throw new KeepError('bad_gateway', { message: 'no copy of the block was made' });
    text = copied.locator;
    headers['X-Keep-Locator'] = text;
  }
  if (context.method === 'HEAD') {
    const facts = await client.head(text, caller);
    const found = { size: facts.size ?? size ?? 0, from: 'keepstore', vouched: 'hashed' } as const;
    return new Response(null, { headers: { ...headers, ...blockHeaders(context, found) } });
  }
  const isProven = hash !== EMPTY_HASH && (await proxy.proofs.has(caller.token, text));
  const cached = isProven ? await proxy.cache.match(hash, { size }) : null;
  if (cached !== null) return bodyAnswer(context, { ...cached, from: 'cache', vouched: 'attested' }, headers);
  const { body, done, size: found } = await client.get(text, caller);
  await proxy.proofs.add(caller.token, text);
  const read = { body, ...(done === undefined ? {} : { done }), size: found ?? size ?? 0 };
  return bodyAnswer(context, { ...read, from: 'keepstore', vouched: 'hashed' }, headers);
}

/** A cluster's own proxy does not lead into other clusters. */
function withoutClusterHints(locator: Locator): Locator {
  return { ...locator, hints: locator.hints.filter((hint) => !/^K@.{5}$/s.test(hint)) };
}

/** keepproxy's statuses; the message has the keepstores' statuses, not their addresses. */
function proxyError(error: ServicesError): KeepError {
  const said = error.answers.map(({ status, reason }) => [status, reason].filter(Boolean).join(' ')).join('; ');
  if (error.answers.length > 0 && error.answers.every(({ status }) => status === 404)) {
    return new KeepError('not_found', { message: 'Block not found', cause: error });
  }
  if (
    error.answers.length === 0 ||
    error.answers.some(({ status, mayPass }) => status === 429 || (mayPass && status !== 422))
  ) {
    return new KeepError('bad_gateway', { message: `the keepstores failed: ${said}`, cause: error });
  }
  return new KeepError('invalid_record', { message: `the keepstores refused: ${said}`, cause: error });
}
