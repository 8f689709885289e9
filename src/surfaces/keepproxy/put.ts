import { announcedLength, bodyOf, listOf, type WriterDependencies } from '../../blocks/block-request.ts';
import { callerOf } from '../../blocks/block-response.ts';
import { nameBlock } from '../../blocks/name-block.ts';
import type { RequestContext } from '../../http/context.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { parseLocator } from '../../keep/locator.ts';
import type { Caller } from '../../services/federation.ts';
import type { PutResult } from '../../services/put-block.ts';
import { ServicesError } from '../../services/services-error.ts';
import { bufferedBody } from './buffered-body.ts';
import { forwardedBody } from './forwarded-body.ts';
import { type KeepProxy, permitted, refuseLoops, viaHeader } from './proxy.ts';

type ProxyPutDependencies = WriterDependencies & { proxy: KeepProxy };

/** PUT through the proxy. A size in the path must be the body's; the original keepproxy does not look at it. */
export async function proxyPut(context: RequestContext, deps: ProxyPutDependencies): Promise<Response> {
  refuseLoops(context);
  const size = await checkedLength(context, deps, (length) => {
    const locator = parseLocator(context.path.slice(1));
    if (locator.size !== null && locator.size > 0 && locator.size !== length) throw new KeepError('body_mismatch');
  });
  const { hash } = parseLocator(context.path.slice(1));
  return store(context, deps, { hash, size, body: bodyOf(context.request) });
}

/** POST: the proxy computes the hash. */
export async function proxyPost(context: RequestContext, deps: ProxyPutDependencies): Promise<Response> {
  refuseLoops(context);
  const size = await checkedLength(context, deps, () => undefined);
  const named = await nameBlock(deps.proxy.aside, bodyOf(context.request), size);
  return store(context, deps, { hash: named.hash, size, body: named.body }).finally(named.discard);
}

/** The order of the checks is keepproxy's: length, locator, permission, and only then too much. */
async function checkedLength(
  context: RequestContext,
  { requireWriter }: ProxyPutDependencies,
  checkLocator: (length: number) => void,
): Promise<number> {
  let tooLarge: unknown = null;
  let length = Number(context.request.headers.get('Content-Length'));
  try {
    length = announcedLength(context.request);
  } catch (error) {
    if (!isKeepError(error, 'too_large')) throw error;
    tooLarge = error;
  }
  checkLocator(length);
  context.log.userUUID = await permitted(requireWriter(context));
  if (tooLarge !== null) throw new KeepError('too_large', { headers: { 'X-Keep-Replicas-Stored': '0' } });
  return length;
}

async function store(
  context: RequestContext,
  { proxy, recordUpload }: ProxyPutDependencies,
  block: { hash: string; size: number; body: ReadableStream<Uint8Array> },
): Promise<Response> {
  context.log.locator = block.hash;
  const { headers } = context.request;
  const asked = listOf(headers.get('X-Keep-Storage-Classes'));
  const desired = /^\d+$/.exec(headers.get('X-Keep-Desired-Replicas')?.trim() ?? '');
  const replicas = desired === null ? proxy.defaultReplication : Number(desired[0]);
  if (replicas === 0) {
    await block.body.cancel();
    return new Response(null, { headers: { ...viaHeader(context), 'X-Keep-Replicas-Stored': '0' } });
  }
  const storageClasses = asked.length > 0 ? asked : proxy.defaultClasses;
  const result = await forwardBlock(proxy, callerOf(context), block, { replicas, storageClasses });
  recordUpload(context, block.hash, block.size, String(context.log.userUUID ?? ''));
  return new Response(result.locator, {
    headers: {
      ...viaHeader(context),
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Keep-Replicas-Stored': String(result.replicas),
      ...(asked.length === 0 ? {} : { 'X-Keep-Storage-Classes-Confirmed': confirmed(asked, result) }),
    },
  });
}

/**
 * Stores a block in the cluster's keepstores, as the caller.
 * @throws KeepError bad_gateway for a body that is not the block; unavailable for too few copies
 */
export async function forwardBlock(
  proxy: KeepProxy,
  caller: Caller,
  block: { hash: string; size: number; body: ReadableStream<Uint8Array> },
  { replicas, storageClasses }: { replicas: number; storageClasses: readonly string[] },
): Promise<PutResult> {
  const buffered = await bufferedBody(block);
  const source = buffered?.source ?? forwardedBody(block, (url) => proxy.clientFor(caller, url), caller.signal);
  return proxy
    .clientFor(caller)
    .put(source, { replicas, storageClasses, signal: caller.signal })
    .catch((error) => {
      throw error instanceof ServicesError ? proxyError(error) : error;
    })
    .finally(() => buffered?.release());
}

/** Each requested class with its copies, or with all copies where a keepstore does not confirm classes. */
function confirmed(asked: string[], { classes, replicas }: PutResult): string {
  return asked.map((name) => `${name}=${classes?.[name] ?? replicas}`).join(', ');
}

/** 502 for a body that is not the block, as every keepstore said; 503 for too few copies. */
function proxyError(error: ServicesError): KeepError {
  const headers = { 'X-Keep-Replicas-Stored': String(error.replicas) };
  const said = error.answers.map(({ status, reason }) => [status, reason].filter(Boolean).join(' ')).join('; ');
  const isRefused = error.answers.length > 0 && error.answers.every(({ status }) => status === 400 || status === 422);
  const code = isRefused && error.replicas === 0 ? 'bad_gateway' : 'unavailable';
  return new KeepError(code, { message: `stored ${error.replicas} copies: ${said}`, headers, cause: error });
}
