import { type Lock, MAX_LOCK_SECONDS, MAX_OWNER_CHARS } from '../../collections/edit/locks.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { encodePath, stepsTo } from '../../keep/uri-paths.ts';
import { limitedText } from './limited-text.ts';
import { isDropped } from './litter.ts';
import { lockDiscovery } from './lock-xml.ts';
import { demandsOf } from './write-conditions.ts';
import { parentIsDirectory, type Write, writerOf } from './write-request.ts';
import { pathIn } from './write-target.ts';
import { childElements, innerXml, malformed, parseDocument } from './xml-elements.ts';

const DAV = 'DAV:';

/** LOCK (RFC 4918 9.10): takes a lock, or without a body renews the one that `If` names. */
export async function lock(asked: Write): Promise<Response> {
  const { context, writing, client, target } = asked;
  const { request } = context;
  const { path, uuid } = target;
  const body = await limitedText(request);
  const seconds = timeoutOf(request.headers.get('Timeout'));
  const demands = demandsOf(request, path, (other) => pathIn(target, other));
  const writer = writerOf(client);
  if (body.trim() === '') {
    if (demands.lockTokens.length === 0)
      throw new KeepError('bad_request', { message: 'LOCK takes a body, or an If header with the lock to renew' });
    await writing.requireWritable(uuid, writer);
    const renewed = await writing.commits.refreshLock(uuid, { path, tokens: demands.lockTokens, seconds, writer });
    return answer(200, renewed, asked);
  }
  const { isShared, owner } = lockInfo(body);
  const depth = (request.headers.get('Depth') ?? 'infinity').trim().toLowerCase();
  if (depth !== '0' && depth !== 'infinity') throw new KeepError('bad_request', { message: 'Depth: 0 or infinity' });
  const wanted = { path, isDeep: depth === 'infinity', isShared, owner };
  const { lock: taken, created } = (await isDropped(asked))
    ? { lock: notKept(wanted, writer.user.uuid, seconds), created: true }
    : await writing.commits.lock(uuid, {
        ...wanted,
        writer,
        seconds,
        conditions: path === '' ? demands.conditions : [...demands.conditions, parentIsDirectory(path)],
      });
  const response = answer(created ? 201 : 200, taken, asked);
  response.headers.set('Lock-Token', `<${taken.token}>`);
  return response;
}

/** A lock of what is not stored binds no one. */
function notKept(wanted: Omit<Lock, 'token' | 'userUuid' | 'expiresAt'>, userUuid: string, seconds: number): Lock {
  const expiresAt = Date.now() + Math.min(Math.max(seconds, 1), MAX_LOCK_SECONDS) * 1000;
  return { ...wanted, token: `opaquelocktoken:${crypto.randomUUID()}`, userUuid, expiresAt };
}

/** UNLOCK (RFC 4918 9.11). */
export async function unlock(asked: Write): Promise<Response> {
  const { context, writing, client, target } = asked;
  // The npm client `webdav` sends the token without its brackets.
  const token = /^<([^<>\s]+)>$|^(opaquelocktoken:[^<>\s]+)$/
    .exec(context.request.headers.get('Lock-Token')?.trim() ?? '')
    ?.slice(1)
    .find((text) => text !== undefined);
  if (token === undefined)
    throw new KeepError('bad_request', { message: 'Lock-Token: <the token that LOCK answered with>' });
  await writing.requireWritable(target.uuid, writerOf(client));
  try {
    await writing.commits.unlock(target.uuid, { path: target.path, token, writer: writerOf(client) });
  } catch (error) {
    if (!isKeepError(error, 'conflict') || !(await isDropped(asked))) throw error;
  }
  return new Response(null, { status: 204 });
}

function answer(status: number, taken: Lock, { target }: Write): Response {
  const components = taken.path === '' ? [] : taken.path.split('/');
  const href = encodePath([
    ...target.prefix,
    ...stepsTo(components[0] ?? '', false).filter((name) => name !== ''),
    ...components.slice(1),
  ]);
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<D:prop xmlns:D="DAV:"><D:lockdiscovery>${lockDiscovery([taken], href)}</D:lockdiscovery></D:prop>\n`;
  return new Response(body, {
    status,
    headers: { 'Content-Type': 'application/xml; charset=utf-8', 'Cache-Control': 'no-store' },
  });
}

/** @throws KeepError bad_request */
export function lockInfo(body: string): { isShared: boolean; owner: string } {
  const root = parseDocument(body);
  if (root.namespace !== DAV || root.name !== 'lockinfo') throw malformed();
  const children = childElements(root).filter(({ namespace }) => namespace === DAV);
  const scope = children.find(({ name }) => name === 'lockscope');
  const type = children.find(({ name }) => name === 'locktype');
  const [scopeName] = scope === undefined ? [] : childElements(scope).map(({ name }) => name);
  const [typeName] = type === undefined ? [] : childElements(type).map(({ name }) => name);
  if ((scopeName !== 'exclusive' && scopeName !== 'shared') || typeName !== 'write') throw malformed();
  const owner = children.find(({ name }) => name === 'owner');
  const shown = owner === undefined ? '' : innerXml(owner);
  if (shown.length > MAX_OWNER_CHARS)
    throw new KeepError('bad_request', { message: `the owner may have ${MAX_OWNER_CHARS} characters` });
  return { isShared: scopeName === 'shared', owner: shown };
}

/** The first of the client's wishes that is a number; infinite ones get the longest time that is given. */
function timeoutOf(header: string | null): number {
  const seconds = /Second-(\d{1,10})/i.exec(header ?? '')?.[1];
  return seconds === undefined ? MAX_LOCK_SECONDS : Number(seconds);
}
