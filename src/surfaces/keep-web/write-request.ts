import { scopesAllow } from '../../accounts/scopes.ts';
import type { Condition, Edited, EditRequest, Writer } from '../../collections/edit/edits.ts';
import type { Writing } from '../../files/writing.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { IdAddress } from './address.ts';
import type { KeepWebDependencies } from './dependencies.ts';
import { text } from './refusals.ts';
import { demandsOf } from './write-conditions.ts';
import { type PathTarget, pathIn, type WritingClient } from './write-target.ts';

/** A request that changes a path in a collection. */
export interface Write {
  context: RequestContext;
  deps: KeepWebDependencies;
  writing: Writing;
  client: WritingClient;
  target: PathTarget;
  address: IdAddress;
}

export function requireScope({ account }: WritingClient, method: string, path: string): void {
  if (!scopesAllow(account.scopes, method, path))
    throw new KeepError('forbidden', { message: `Forbidden: the token's scopes do not allow ${method} ${path}` });
}

export function writerOf({ user, account, token }: WritingClient): Writer {
  return { user, tokenUuid: account.tokenUuid, token };
}

/** Commits edits with the conditions of the request's headers before those of its method. */
export function commit(
  { context, writing, client, target }: Write,
  edits: EditRequest['edits'],
  conditions: Condition[],
): Promise<Edited> {
  const demands = demandsOf(context.request, target.path, (other) => pathIn(target, other));
  return writing.commits.edit(target.uuid, {
    writer: writerOf(client),
    edits,
    conditions: [...demands.conditions, ...conditions],
    lockTokens: demands.lockTokens,
  });
}

export function alreadyThere(): Response {
  return text(405, 'it is there already\n', { Allow: 'OPTIONS, GET, HEAD, PROPFIND, COPY' });
}

export function missing(): Condition['otherwise'] {
  return { code: 'not_found', message: 'Not Found' };
}

/** WebDAV makes no directories on the way. */
export function parentIsDirectory(path: string): Condition {
  const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
  const message = `/${parent} is not a directory: make it first`;
  return { path: parent, is: ['directory'], otherwise: { code: 'conflict', message } };
}
