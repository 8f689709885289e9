import { KeepError } from '../../keep/errors.ts';
import type { EditOutcome } from './commit-batch.ts';
import type { Edit, EditRequest, Writer } from './edits.ts';
import { type LockTable, MAX_LOCKS } from './lock-table.ts';
import { canCoexist, covers, type Lock, type LockRequest, MAX_LOCK_SECONDS, MAX_OWNER_CHARS } from './locks.ts';
import { parentOf } from './path-map.ts';

export interface LockingContext {
  /** Commits requests beside these locks, as the collection's writers do. */
  commit(uuid: string, requests: EditRequest[], locks: Lock[]): Promise<EditOutcome[]>;
  mayManage(uuid: string, writer: Writer): Promise<boolean>;
  /** Unix milliseconds. */
  now: () => number;
  table: LockTable;
}

/**
 * Takes a lock. Where nothing is yet, an empty file is made, as RFC 4918 7.3 says.
 * @throws KeepError locked, conflict, not_found, forbidden, precondition_failed, full
 */
export async function takeLock(
  uuid: string,
  request: LockRequest,
  context: LockingContext,
): Promise<{ lock: Lock; created: boolean }> {
  const { table } = context;
  const { writer, path, isDeep, isShared, owner, seconds, conditions } = request;
  if (!canCoexist(request, table.current())) throw new KeepError('locked', { message: 'it is locked already' });
  if (table.current().length >= MAX_LOCKS)
    throw new KeepError('full', { message: `a collection may have ${MAX_LOCKS} locks at a time` });
  const created = await isMade(uuid, { writer, edits: [], conditions, lockTokens: [] }, path, context);
  const lock: Lock = {
    token: `opaquelocktoken:${crypto.randomUUID()}`,
    path,
    isDeep,
    isShared,
    owner: owner.slice(0, MAX_OWNER_CHARS),
    userUuid: writer.user.uuid,
    expiresAt: expiry(context, seconds),
  };
  await table.save(lock);
  return { lock, created };
}

/** Whether an empty file had to be made. Also judges the writer and the conditions. */
async function isMade(
  uuid: string,
  request: EditRequest,
  path: string,
  { commit, table }: LockingContext,
): Promise<boolean> {
  const empty: Edit[] = path === '' ? [] : [{ kind: 'put', path, ranges: [] }];
  const exists = { code: 'method_not_allowed', message: 'exists' } as const;
  const parent = { code: 'conflict', message: `${parentOf(path)} is not a directory` } as const;
  const [outcome] = await commit(
    uuid,
    [
      {
        ...request,
        edits: empty,
        conditions: [
          ...request.conditions,
          ...(path === '' ? [] : [{ path: parentOf(path), is: ['directory' as const], otherwise: parent }]),
          ...(path === '' ? [] : [{ path, is: ['absent' as const], otherwise: exists }]),
        ],
      },
    ],
    table.current().filter(({ isShared }) => !isShared),
  );
  if (outcome === undefined) throw new KeepError('internal');
  if (outcome.ok) return path !== '';
  if (outcome.code === exists.code) return false;
  throw new KeepError(outcome.code, { message: outcome.message });
}

/** @throws KeepError precondition_failed when the client holds no such lock here */
export async function refreshLock(
  path: string,
  tokens: string[],
  seconds: number,
  writer: Writer,
  { now, table }: LockingContext,
): Promise<Lock> {
  const held = table
    .current()
    .find((lock) => tokens.includes(lock.token) && lock.userUuid === writer.user.uuid && covers(lock, path));
  if (held === undefined) throw new KeepError('precondition_failed', { message: 'there is no such lock here' });
  const renewed = { ...held, expiresAt: expiry({ now }, seconds) };
  await table.save(renewed);
  return renewed;
}

/**
 * Ends a lock: its user may, and who may manage the collection.
 * @throws KeepError conflict when the path has no such lock; forbidden
 */
export async function unlock(
  uuid: string,
  path: string,
  token: string,
  writer: Writer,
  { mayManage, table }: LockingContext,
): Promise<void> {
  const held = table.current().find((lock) => lock.token === token && covers(lock, path));
  if (held === undefined) throw new KeepError('conflict', { message: 'the path is not locked with this token' });
  if (held.userUuid !== writer.user.uuid && !(await mayManage(uuid, writer)))
    throw new KeepError('forbidden', {
      message: 'Forbidden: only its user, or who may manage the collection, ends a lock',
    });
  await table.remove([token]);
}

function expiry({ now }: Pick<LockingContext, 'now'>, seconds: number): number {
  return now() + Math.min(Math.max(seconds, 1), MAX_LOCK_SECONDS) * 1000;
}
