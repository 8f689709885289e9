import type { EditRequest } from './edits.ts';
import { isWithin } from './path-map.ts';

/** An exclusive WebDAV write lock. */
export interface Lock {
  /** `opaquelocktoken:…` */
  token: string;
  /** '' is the whole collection. */
  path: string;
  /** Whether it covers all below the path. */
  isDeep: boolean;
  /** What the client said about its owner: XML, shown to others. */
  owner: string;
  userUuid: string;
  /** Unix milliseconds. */
  expiresAt: number;
}

/** Whether no lock of another client covers what a request writes to. */
export function isIndependentOfLocks({ edits, lockTokens }: EditRequest, locks: readonly Lock[]): boolean {
  const paths = edits.flatMap((edit) =>
    edit.kind === 'move' ? [edit.from, edit.to] : ['to' in edit ? edit.to : edit.path],
  );
  return locks.every((lock) => lockTokens.includes(lock.token) || !paths.some((path) => covers(lock, path)));
}

/** A lock on a directory's child keeps the directory from being removed, too. */
function covers({ path: locked, isDeep }: Lock, path: string): boolean {
  return locked === path || (isDeep && isWithin(path, locked)) || isWithin(locked, path);
}
