import { KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';

/** What a user may do with a record. Each level includes those before it. */
export type Level = 'none' | 'read' | 'write' | 'manage';

const ORDER: readonly Level[] = ['none', 'read', 'write', 'manage'];

/** Levels as the database numbers them. */
export const LEVEL = { none: 0, read: 1, write: 2, manage: 3 } as const;

/** A level as the database numbers it. */
export function toLevel(number: unknown): Level {
  return ORDER[Number(number ?? 0)] ?? 'none';
}

export function canRead(level: Level): boolean {
  return atLeast(level, 'read');
}

export function canWrite(level: Level): boolean {
  return atLeast(level, 'write');
}

export function canManage(level: Level): boolean {
  return atLeast(level, 'manage');
}

/** @throws KeepError not_found for what the user cannot see; forbidden when the user may only do less */
export function requireAtLeast(level: Level, needed: Level): void {
  if (atLeast(level, needed)) return;
  if (!canRead(level)) throw new KeepError('not_found', { message: 'Path not found' });
  throw new KeepError('forbidden', { message: `Forbidden: you may not ${needed} this` });
}

function atLeast(level: Level, needed: Level): boolean {
  return LEVEL[level] >= LEVEL[needed];
}

/** A record with what the caller may do, in place of the selected `permission_level`. */
export function withLevel({ permission_level, ...record }: Row): Row {
  if (permission_level === undefined) return record;
  const level = toLevel(permission_level);
  return { ...record, can_write: canWrite(level), can_manage: canManage(level) };
}
