import type { Condition, Edit } from '../../collections/edit/edits.ts';
import { KeepError } from '../../keep/errors.ts';
import { demandsOf, destinationOf } from './write-conditions.ts';
import { commit, missing, parentIsDirectory, requireScope, type Write, writerOf } from './write-request.ts';
import { findWriteTarget, pathIn } from './write-target.ts';

/** COPY and MOVE (RFC 4918 9.8, 9.9). No bytes move. Without Overwrite what is at the destination is replaced. */
export async function copyOrMove(asked: Write): Promise<Response> {
  const { context, target } = asked;
  const { request, method } = context;
  const destination = destinationOf(request);
  if (destination.pathToken !== null && destination.pathToken !== asked.address.pathToken)
    throw new KeepError('forbidden', { message: 'Forbidden: the destination is under another token' });
  const depth = (request.headers.get('Depth') ?? 'infinity').trim().toLowerCase();
  if (depth !== 'infinity' && (depth !== '0' || method === 'MOVE'))
    throw new KeepError('bad_request', {
      message: `${method} takes Depth: infinity${method === 'COPY' ? ' or 0' : ''}`,
    });
  const overwrite = (request.headers.get('Overwrite') ?? 'T').trim().toUpperCase();
  if (overwrite !== 'T' && overwrite !== 'F') throw new KeepError('bad_request', { message: 'Overwrite: T or F' });
  const to = pathIn(target, destination);
  const from = target.path;
  if (to === null) return copyElsewhere(asked, overwrite === 'F', depth === '0');
  if (from === to) throw refused('source and destination are the same');
  if (from === '' && method === 'MOVE') throw refused('a collection itself is renamed in its project');
  if (`${to}/`.startsWith(`${from}/`) || from === '') throw refused('a directory cannot be put into itself');
  if (to === '' || `${from}/`.startsWith(`${to}/`)) throw refused('the destination holds the source');
  const edit: Edit =
    method === 'MOVE' ? { kind: 'move', from, to } : { kind: 'copy', from, to, shallow: depth === '0' };
  const { before } = await commit(
    asked,
    [edit],
    [
      { path: from, is: asked.address.trailingSlash ? ['directory'] : ['file', 'directory'], otherwise: missing() },
      ...destinationConditions(to, overwrite === 'F'),
    ],
  );
  return new Response(null, { status: before[to] === 'absent' ? 201 : 204 });
}

function destinationConditions(to: string, mustBeAbsent: boolean): Condition[] {
  const message = 'something is at the destination, and Overwrite is F';
  return [
    parentIsDirectory(to),
    ...(mustBeAbsent
      ? [{ path: to, is: ['absent' as const], otherwise: { code: 'precondition_failed' as const, message } }]
      : []),
  ];
}

/** A copy into another collection takes the state of the source at this moment. */
async function copyElsewhere(asked: Write, mustBeAbsent: boolean, isShallow: boolean): Promise<Response> {
  const { context, deps, writing, client, target } = asked;
  const { request, method, signal } = context;
  if (method === 'MOVE' || isShallow)
    throw new KeepError('bad_gateway', { message: 'copy it to the other collection, and delete it here then' });
  const destination = destinationOf(request);
  const other = await findWriteTarget(deps, destination, client, signal);
  if (other.kind !== 'path' || other.path === '') throw refused('the destination must be a path in a collection');
  requireScope(client, 'PATCH', `/arvados/v1/collections/${other.uuid}`);
  const source = await deps.collections.open(target.uuid, client.token, signal);
  if (source === null) throw new KeepError('not_found', { message: 'Not Found' });
  const { lockTokens } = demandsOf(request, other.path, (address) => pathIn(other, address));
  const { before } = await writing.commits.edit(other.uuid, {
    writer: writerOf(client),
    edits: [
      { kind: 'graft', source: { portableDataHash: source.portableDataHash }, from: target.path, to: other.path },
    ],
    conditions: destinationConditions(other.path, mustBeAbsent),
    lockTokens,
  });
  return new Response(null, { status: before[other.path] === 'absent' ? 201 : 204 });
}

function refused(message: string): KeepError {
  return new KeepError('forbidden', { message });
}
