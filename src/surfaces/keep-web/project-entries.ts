import type { Writing } from '../../files/writing.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { IdAddress } from './address.ts';
import type { KeepWebDependencies } from './dependencies.ts';
import { text } from './refusals.ts';
import { destinationOf } from './write-conditions.ts';
import { alreadyThere, requireScope, writerOf } from './write-request.ts';
import { findWriteTarget, type WriteTarget, type WritingClient } from './write-target.ts';

interface EntryWrite {
  context: RequestContext;
  deps: KeepWebDependencies;
  writing: Writing;
  client: WritingClient;
  target: Extract<WriteTarget, { kind: 'entry' }>;
  address: IdAddress;
}

/**
 * Directly in a project, directories are collections: MKCOL makes one, DELETE trashes it, MOVE renames it. Files are put
 * into collections only.
 */
export function changeEntry(asked: EntryWrite): Promise<Response> {
  switch (asked.context.method) {
    case 'MKCOL':
      return make(asked);
    case 'DELETE':
      return trash(asked);
    case 'MOVE':
      return rename(asked);
    case 'PUT':
      throw new KeepError('conflict', { message: 'a project holds collections: put the file into one of them' });
    default:
      return Promise.resolve(
        text(405, 'this is done inside a collection\n', { Allow: 'OPTIONS, GET, HEAD, PROPFIND, MKCOL, DELETE, MOVE' }),
      );
  }
}

async function make({ context, writing, client, target }: EntryWrite): Promise<Response> {
  const { body } = context.request;
  if (body !== null && (await body.getReader().read()).value !== undefined) return text(415, 'MKCOL takes no body\n');
  if (target.entry !== null) return alreadyThere();
  requireScope(client, 'POST', '/arvados/v1/collections');
  await writing.projects.createCollection(target.project, target.name, writerOf(client));
  return new Response(null, { status: 201 });
}

async function trash({ writing, client, target }: EntryWrite): Promise<Response> {
  const uuid = collectionOf(target);
  requireScope(client, 'DELETE', `/arvados/v1/collections/${uuid}`);
  await writing.projects.trashCollection(uuid, writerOf(client));
  return new Response(null, { status: 204 });
}

async function rename({ context, deps, writing, client, target }: EntryWrite): Promise<Response> {
  const uuid = collectionOf(target);
  requireScope(client, 'PATCH', `/arvados/v1/collections/${uuid}`);
  const other = await findWriteTarget(deps, destinationOf(context.request), client, context.signal);
  if (other.kind !== 'entry')
    throw new KeepError('forbidden', { message: 'a collection can be moved to a place in a project only' });
  if (other.entry !== null)
    throw other.entry.uuid === uuid
      ? new KeepError('forbidden', { message: 'source and destination are the same' })
      : new KeepError('precondition_failed', {
          message: 'something is at the destination: collections are not replaced',
        });
  const owner = other.project === target.project ? {} : { owner_uuid: other.project };
  await writing.projects.changeCollection(uuid, { name: other.name, ...owner }, writerOf(client));
  return new Response(null, { status: 201 });
}

function collectionOf({ entry }: EntryWrite['target']): string {
  if (entry === null) throw new KeepError('not_found', { message: 'Not Found' });
  if (entry.kind === 'collection') return entry.uuid;
  throw new KeepError('forbidden', { message: 'Forbidden: projects are changed through the API' });
}
