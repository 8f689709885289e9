import type { NodeKind } from '../../collections/edit/edits.ts';
import type { Writing } from '../../files/writing.ts';
import type { RequestContext } from '../../http/context.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { requestTokens } from '../../keep/token.ts';
import { type IdAddress, parseAddress } from './address.ts';
import { copyOrMove } from './copy-move.ts';
import type { KeepWebDependencies } from './dependencies.ts';
import { lock, unlock } from './lock-methods.ts';
import { originPolicy } from './origin-policy.ts';
import { changeEntry } from './project-entries.ts';
import { proppatch } from './proppatch.ts';
import { putFile } from './put-file.ts';
import { denied, notFound, text } from './refusals.ts';
import { readOnly } from './webdav.ts';
import {
  alreadyThere,
  commit,
  missing,
  parentIsDirectory,
  requireScope,
  type Write,
  writerOf,
} from './write-request.ts';
import { findWriteTarget, type WritingClient } from './write-target.ts';

const EMPTY_BLOCK = '/d41d8cd98f00b204e9800998ecf8427e';

/** Answers WebDAV's writing methods (docs/protocol/files.md#webdav). */
export async function write(context: RequestContext, deps: KeepWebDependencies): Promise<Response> {
  const { writing } = deps;
  const address = parseAddress(context.url.host, context.path);
  if (address === null) return notFound();
  if (writing === null || address.kind !== 'id' || address.anonymousOnly || address.id.includes('+')) return readOnly();
  const client = await clientOf(context, deps, writing, address);
  if (client === null) {
    const policy = originPolicy(address, context.url.host, false, deps.downloads);
    const search = { target: null, hadGoodToken: false, isOpen: false };
    return denied(context, address, policy, deps.downloads, search, null);
  }
  context.log.userUUID = client.user.uuid;
  const target = await findWriteTarget(deps, address, client, context.signal);
  if (target.kind === 'entry') return changeEntry({ context, deps, writing, client, target, address });
  requireScope(client, 'PATCH', `/arvados/v1/collections/${target.uuid}`);
  context.log.collection_uuid = target.uuid;
  try {
    return await change({ context, deps, writing, client, target, address });
  } catch (error) {
    const mayBePast = isKeepError(error, 'not_found') && target.names.length === 0;
    if (mayBePast && (await writing.isPastVersion(target.uuid, writerOf(client)))) return readOnly();
    throw error;
  }
}

function change(asked: Write): Promise<Response> {
  switch (asked.context.method) {
    case 'PUT':
      requireScope(asked.client, 'PUT', EMPTY_BLOCK);
      return putFile(asked);
    case 'MKCOL':
      return makeDirectory(asked);
    case 'DELETE':
      return remove(asked);
    case 'COPY':
    case 'MOVE':
      return copyOrMove(asked);
    case 'LOCK':
      return lock(asked);
    case 'UNLOCK':
      return unlock(asked);
    case 'PROPPATCH':
      return proppatch(asked);
    default:
      return Promise.resolve(readOnly());
  }
}

/**
 * The first of the request's tokens that is good. Cookies do not count: a page that is stored in a collection must not
 * change it in its reader's name.
 */
async function clientOf(
  { request, signal, tokens: given }: RequestContext,
  deps: KeepWebDependencies,
  writing: Writing,
  address: IdAddress,
): Promise<WritingClient | null> {
  const { credentials } = originPolicy(address, new URL(request.url).host, false, deps.downloads);
  const own = credentials ? withoutCookie(request).filter((token) => given.includes(token)) : [];
  const tokens = address.pathToken === null ? own : [address.pathToken];
  for (const token of tokens.map((candidate) => candidate.trim())) {
    const account = token === '' ? null : await writing.identify(token, signal);
    if (account === null) continue;
    const { user } = account;
    if (user === null || !user.isActive)
      throw new KeepError('forbidden', {
        message: 'Forbidden: this account is not active, or its token does not name it',
      });
    return { token, account, user };
  }
  return null;
}

async function makeDirectory(asked: Write): Promise<Response> {
  const { request } = asked.context;
  if (request.body !== null && (await request.body.getReader().read()).value !== undefined)
    return text(415, 'MKCOL takes no body\n');
  const { path } = asked.target;
  if (path === '') return alreadyThere();
  await commit(
    asked,
    [{ kind: 'mkdir', path }],
    [
      { path, is: ['absent'], otherwise: { code: 'method_not_allowed', message: 'it is there already' } },
      parentIsDirectory(path),
    ],
  );
  return new Response(null, { status: 201 });
}

async function remove(asked: Write): Promise<Response> {
  const { path } = asked.target;
  if (path === '')
    return text(405, 'a collection is deleted through the API, or in its project\n', {
      Allow: 'OPTIONS, GET, HEAD, PROPFIND',
    });
  const depth = (asked.context.request.headers.get('Depth') ?? 'infinity').trim().toLowerCase();
  if (depth !== 'infinity' && (depth !== '0' || asked.address.trailingSlash))
    throw new KeepError('bad_request', { message: 'a directory is deleted with all that is in it: Depth: infinity' });
  const kinds: NodeKind[] = depth === '0' || !asked.address.trailingSlash ? ['file'] : ['directory'];
  if (depth === 'infinity' && !asked.address.trailingSlash) kinds.push('directory');
  await commit(asked, [{ kind: 'delete', path }], [{ path, is: kinds, otherwise: missing() }]);
  return new Response(null, { status: 204 });
}

function withoutCookie({ headers, url }: Request): string[] {
  return requestTokens({ url, headers: { get: (name) => (name === 'Cookie' ? null : headers.get(name)) } });
}
