import type { Account, User } from '../../accounts/account.ts';
import type { Entry } from '../../collections/source.ts';
import { childOf } from '../../files/project-names.ts';
import { KeepError } from '../../keep/errors.ts';
import type { IdAddress } from './address.ts';
import type { KeepWebDependencies } from './dependencies.ts';

/** Who writes, with the token that was accepted. */
export interface WritingClient {
  token: string;
  account: Account;
  user: User;
}

/** A path in a collection; '' is its root. */
export interface PathTarget {
  kind: 'path';
  uuid: string;
  path: string;
  /** What addresses of this collection share: the id, and names on the way from a project. */
  id: string;
  names: string[];
  /** Components of the URL up to the collection's root. */
  prefix: string[];
}

/** The path that an address names in the same collection; null when it names none there. */
export function pathIn({ id, names }: PathTarget, address: IdAddress): string | null {
  const isHere = address.id === id && names.every((name, i) => address.path[i] === name);
  return isHere ? address.path.slice(names.length).join('/') : null;
}

/** What an address means to a method that changes something. */
export type WriteTarget =
  | PathTarget
  /** A name directly in a project, and what has it. */
  | { kind: 'entry'; project: string; name: string; entry: Entry | null };

/**
 * Resolves an address for writing. Names in a project lead to its collections.
 * @throws KeepError not_found, conflict when something on the way is not there
 */
export async function findWriteTarget(
  deps: KeepWebDependencies,
  address: IdAddress,
  { token }: WritingClient,
  signal: AbortSignal,
): Promise<WriteTarget> {
  const { id, prefix } = address;
  if (!id.includes('-j7d0g-')) return { kind: 'path', uuid: id, path: address.path.join('/'), id, names: [], prefix };
  const root = await deps.collections.project(address.id, token, signal);
  if (root === null) throw new KeepError('not_found', { message: 'Not Found' });
  let project = root.uuid;
  for (const [i, shown] of address.path.entries()) {
    const { name, entry } = await childOf(deps, project, shown, token, signal);
    if (entry?.kind === 'collection' && i + 1 < address.path.length) {
      const names = address.path.slice(0, i + 1);
      const path = address.path.slice(i + 1).join('/');
      return { kind: 'path', uuid: entry.uuid, path, id, names, prefix: [...prefix, ...names] };
    }
    if (i + 1 === address.path.length) return { kind: 'entry', project, name, entry };
    if (entry === null) throw new KeepError('conflict', { message: `there is no ${shown}` });
    project = entry.uuid;
  }
  throw new KeepError('method_not_allowed', { message: 'a project itself is changed through the API' });
}
