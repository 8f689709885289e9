import type { Edit, EditRequest, Writer } from './edits.ts';
import { isWithin, parentOf } from './path-map.ts';

/** A WebDAV write lock. */
export interface Lock {
  /** `opaquelocktoken:…` */
  token: string;
  /** '' is the whole collection. */
  path: string;
  /** Whether it covers all below the path. */
  isDeep: boolean;
  /** Others may hold a shared lock of the same path beside it. */
  isShared: boolean;
  /** What the client said about its owner: XML, shown to others. */
  owner: string;
  userUuid: string;
  /** Unix milliseconds. */
  expiresAt: number;
}

/**
 * Whether no lock of another client covers what a request writes to. A lock is the client's own if the client names its
 * token and is the user who made it: everyone may learn a token, and it gives no permission. Of shared locks one suffices.
 * A lock of a directory alone protects which members it has.
 */
export function isIndependentOfLocks({ edits, lockTokens, writer }: EditRequest, locks: readonly Lock[]): boolean {
  const isOwn = (lock: Lock) => lockTokens.includes(lock.token) && lock.userUuid === writer.user.uuid;
  return edits.every((edit) =>
    writtenPaths(edit).every((path) => {
      const covering = locks.filter(
        (lock) => protects(lock, path) || (edit.kind !== 'properties' && path !== '' && lock.path === parentOf(path)),
      );
      return covering.every((lock) => isOwn(lock) || (lock.isShared && covering.some(isOwn)));
    }),
  );
}

function writtenPaths(edit: Edit): string[] {
  return edit.kind === 'move' ? [edit.from, edit.to] : ['to' in edit ? edit.to : edit.path];
}

/** A lock on a directory's child keeps the directory from being removed, too. */
function protects(lock: Lock, path: string): boolean {
  return covers(lock, path) || isWithin(lock.path, path);
}

/** Whether a path is in the scope of a lock. */
export function covers({ path: locked, isDeep }: Lock, path: string): boolean {
  return locked === path || (isDeep && isWithin(path, locked));
}

export function isLockedWith(locks: readonly Lock[], path: string, token: string): boolean {
  return locks.some((lock) => lock.token === token && covers(lock, path));
}

/** Whether a lock may be added beside those in force. */
export function canCoexist(wanted: Pick<Lock, 'path' | 'isDeep' | 'isShared'>, locks: readonly Lock[]): boolean {
  return locks.every(
    (lock) =>
      (lock.isShared && wanted.isShared) ||
      !(covers(lock, wanted.path) || (wanted.isDeep && isWithin(lock.path, wanted.path))),
  );
}

/** Locks end with what they lock: after a delete, and at the old place after a move. */
export function endedBy(edits: readonly Edit[], lock: Lock): boolean {
  return edits.some(
    (edit) =>
      (edit.kind === 'delete' && isWithin(lock.path, edit.path)) ||
      (edit.kind === 'move' && isWithin(lock.path, edit.from)),
  );
}

/** How long a lock is given at most; clients renew it. Seconds. */
export const MAX_LOCK_SECONDS = 3600;

export interface LockRequest {
  writer: Writer;
  path: string;
  isDeep: boolean;
  isShared: boolean;
  /** XML; at most MAX_OWNER_CHARS. */
  owner: string;
  seconds: number;
  /** What must hold besides: `If`, and that the parent is there. */
  conditions: EditRequest['conditions'];
}

export const MAX_OWNER_CHARS = 2000;
