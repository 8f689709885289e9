import { indexLines } from '../../blocks/index-lines.ts';
import { touchBlock, trashBlock, untrashBlock } from '../../blocks/maintain.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { parseLocator } from '../../keep/locator.ts';
import { isToken } from '../../keep/token.ts';
import type { Mount } from '../../storage/mounts.ts';

export interface LifecycleDependencies {
  mounts: Mount[];
  /** Mounts that indexes show: gateways too, as read-only ones. */
  listed: Mount[];
  config: { systemRootToken: string; blobTrash: boolean };
}

/** TOUCH, or POST with `X-HTTP-Method-Override: TOUCH` (workerd knows no TOUCH). */
export async function touch(context: RequestContext, { mounts, config }: LifecycleDependencies): Promise<Response> {
  requireRoot(context, config);
  await touchBlock(mounts, hashIn(context, context.path.slice(1)));
  return new Response(null);
}

/** DELETE trashes at once, without a list. */
export async function trash(context: RequestContext, { mounts, config }: LifecycleDependencies): Promise<Response> {
  requireRoot(context, config);
  if (!config.blobTrash) throw new KeepError('method_not_allowed', { headers: { Allow: 'GET, HEAD, PUT' } });
  await trashBlock(mounts, hashIn(context, context.path.slice(1)));
  return new Response(null);
}

export async function untrash(context: RequestContext, { mounts, config }: LifecycleDependencies): Promise<Response> {
  requireRoot(context, config);
  await untrashBlock(mounts, hashIn(context, context.path.slice('/untrash/'.length)));
  return new Response(null);
}

/** `/index` and `/index/<prefix>`: all mounts (docs/protocol/blocks.md#index). */
export async function index(context: RequestContext, { listed, config }: LifecycleDependencies): Promise<Response> {
  requireRoot(context, config);
  return indexOf(context, listed, context.path.split('/')[2] ?? '');
}

/** `/mounts/<uuid>/blocks` and `/mounts/<uuid>/blocks/<prefix>`. */
export async function mountIndex(
  context: RequestContext,
  { listed, config }: LifecycleDependencies,
): Promise<Response> {
  requireRoot(context, config);
  const [, , uuid, , prefix] = context.path.split('/');
  const mount = listed.find((candidate) => candidate.uuid === uuid);
  if (mount === undefined) throw new KeepError('not_found');
  return indexOf(context, [mount], prefix ?? '');
}

export function mountList(context: RequestContext, { listed, config }: LifecycleDependencies): Response {
  requireRoot(context, config);
  const list = listed.map(({ uuid, deviceId, allowWrite, allowTrash, replication, storageClasses }) => ({
    uuid,
    device_id: deviceId,
    allow_write: allowWrite,
    allow_trash: allowTrash,
    replication,
    storage_classes: storageClasses,
  }));
  return new Response(`${JSON.stringify(list)}\n`, { headers: { 'Content-Type': 'application/json' } });
}

/** The query's prefix takes precedence over the path's; one that no hash can start with matches nothing. */
async function indexOf(context: RequestContext, mounts: Mount[], pathPrefix: string): Promise<Response> {
  const prefix = context.url.searchParams.get('prefix') || pathPrefix;
  const { body, done } = await indexLines(/^[0-9a-f]{0,32}$/.test(prefix) ? mounts : [], prefix);
  const headers = { 'Content-Type': 'text/plain; charset=utf-8' };
  if (context.method === 'HEAD') {
    await Promise.allSettled([body.cancel(), done]);
    return new Response(null, { headers });
  }
  context.bodyDone = done;
  return new Response(body, { headers });
}

function hashIn(context: RequestContext, text: string): string {
  const { hash } = parseLocator(text);
  context.log.locator = hash;
  return hash;
}

/** Requires the cluster's root token, in any of the request's credentials. @throws KeepError `unauthorized`, `forbidden` */
export function requireRoot({ tokens }: RequestContext, { systemRootToken }: { systemRootToken: string }): void {
  if (tokens.length === 0) throw new KeepError('unauthorized');
  if (!tokens.some((token) => isToken(token, systemRootToken))) throw new KeepError('forbidden');
}
