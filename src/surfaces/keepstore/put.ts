import { announcedLength, bodyOf, listOf, type WriterDependencies } from '../../blocks/block-request.ts';
import type { DigestStore } from '../../blocks/digest-store.ts';
import { nameBlock } from '../../blocks/name-block.ts';
import { type WriteRequest, writeBlock } from '../../blocks/write-block.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { parseLocator } from '../../keep/locator.ts';
import { type SigningKey, signLocator } from '../../keep/signature.ts';
import type { Mount } from '../../storage/mounts.ts';

export interface PutDependencies extends WriterDependencies {
  mounts: Mount[];
  /** Null: those of a block are made when it is first read in part. */
  writeDigests: DigestStore | null;
  signing: SigningKey;
}

/** PUT of a block under its hash (docs/protocol/blocks.md#put). The path must be a well-formed locator. */
export async function putBlock(context: RequestContext, deps: PutDependencies): Promise<Response> {
  const size = announcedLength(context.request);
  const locator = parseLocator(context.path.slice(1));
  if (locator.size !== null && locator.size !== size) throw new KeepError('body_mismatch');
  context.log.locator = locator.hash;
  const user = await deps.requireWriter(context);
  const response = await store(context, deps, locator.hash, size, bodyOf(context.request));
  deps.recordUpload(context, locator.hash, size, user);
  return response;
}

/** POST of a block without its hash, as keepproxy offers it. */
export async function postBlock(context: RequestContext, deps: PutDependencies): Promise<Response> {
  const size = announcedLength(context.request);
  const user = await deps.requireWriter(context);
  const aside = deps.mounts.find((mount) => mount.allowWrite)?.store;
  const named = await nameBlock(aside, bodyOf(context.request), size);
  context.log.locator = named.hash;
  const response = await store(context, deps, named.hash, size, named.body).finally(named.discard);
  deps.recordUpload(context, named.hash, size, user);
  return response;
}

async function store(
  context: RequestContext,
  deps: PutDependencies,
  hash: string,
  size: number,
  body: ReadableStream<Uint8Array>,
): Promise<Response> {
  const { headers } = context.request;
  const request: WriteRequest = {
    hash,
    size,
    body,
    desired: Number.parseInt(headers.get('X-Keep-Desired-Replicas') ?? '', 10) || 1,
    storageClasses: listOf(headers.get('X-Keep-Storage-Classes')),
    signal: context.signal,
    digests: deps.writeDigests,
  };
  const { replicas, classes, mounts } = await writeBlock(deps.mounts, request);
  context.log.mount = mounts.join(' ');
  const expiry = Math.floor(context.now) + deps.signing.ttlSeconds;
  const locator = signLocator(`${hash}+${size}`, context.tokens[0] ?? '', expiry, deps.signing);
  return new Response(`${locator}\n`, {
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Keep-Replicas-Stored': String(replicas),
      'X-Keep-Storage-Classes-Confirmed': Array.from(classes, ([name, count]) => `${name}=${count}`).join(', '),
    },
  });
}
