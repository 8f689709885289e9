import { nameBlock } from '../../blocks/name-block.ts';
import { type WriteRequest, writeBlock } from '../../blocks/write-block.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { MAX_BLOCK_BYTES } from '../../keep/limits.ts';
import { parseLocator } from '../../keep/locator.ts';
import { type SigningKey, signLocator } from '../../keep/signature.ts';
import type { Mount } from '../../storage/mounts.ts';

export interface WriteParts {
  mounts: Mount[];
  signing: SigningKey;
  /** Resolves to the writing user's UUID when this request may write blocks. @throws KeepError `unauthorized`, `forbidden` */
  requireWriter: (context: RequestContext) => Promise<string>;
  /** Notes an accepted block in the upload log, without waiting for it. */
  recordUpload: (context: RequestContext, hash: string, size: number, userUuid: string) => void;
}

/** PUT of a block under its hash (keep-block-api.md 3.7). What follows the 32 digits in the path must be a sound locator. */
export async function putBlock(context: RequestContext, parts: WriteParts): Promise<Response> {
  const size = announcedLength(context.request);
  const locator = parseLocator(context.path.slice(1));
  if (locator.size !== null && locator.size !== size) throw new KeepError('body_mismatch');
  context.log.locator = locator.hash;
  const user = await parts.requireWriter(context);
  const response = await store(context, parts, locator.hash, size, bodyOf(context.request));
  parts.recordUpload(context, locator.hash, size, user);
  return response;
}

/** POST of a block whose hash the sender leaves to us (keep-block-api.md 6.1). */
export async function postBlock(context: RequestContext, parts: WriteParts): Promise<Response> {
  const size = announcedLength(context.request);
  const user = await parts.requireWriter(context);
  const aside = parts.mounts.find((mount) => mount.allowWrite)?.store;
  const named = await nameBlock(aside, bodyOf(context.request), size);
  context.log.locator = named.hash;
  const response = await store(context, parts, named.hash, size, named.body).finally(named.discard);
  parts.recordUpload(context, named.hash, size, user);
  return response;
}

async function store(
  context: RequestContext,
  parts: WriteParts,
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
  };
  const { replicas, classes, mounts } = await writeBlock(parts.mounts, request);
  context.log.mount = mounts.join(' ');
  const expiry = Math.floor(context.now) + parts.signing.ttlSeconds;
  const locator = signLocator(`${hash}+${size}`, context.tokens[0] ?? '', expiry, parts.signing);
  return new Response(`${locator}\n`, {
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Keep-Replicas-Stored': String(replicas),
      'X-Keep-Storage-Classes-Confirmed': Array.from(classes, ([name, count]) => `${name}=${count}`).join(', '),
    },
  });
}

/** @throws KeepError `length_required`, `too_large`: before a byte of the body is asked for */
export function announcedLength({ headers }: Request): number {
  const text = headers.get('Content-Length');
  if (text === null || !/^\d+$/.test(text)) throw new KeepError('length_required');
  const size = Number(text);
  if (size > MAX_BLOCK_BYTES) throw new KeepError('too_large');
  return size;
}

export function bodyOf(request: Request): ReadableStream<Uint8Array> {
  return request.body ?? new Response(new Uint8Array(0)).body ?? new ReadableStream();
}

export function listOf(header: string | null): string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
