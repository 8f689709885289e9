import type { User } from '../accounts/account.ts';
import { LEVEL } from '../accounts/levels.ts';
import { insideTrashSql, passedOnSql, quoted } from '../accounts/permission-sql.ts';
import { KeepError } from '../keep/errors.ts';
import { INFIX, isUuid } from '../records/ids.ts';

/**
 * Whether the user may move something from one owner to another, which takes can_write on both, or make something there
 * (then the first owner is the user). Roles own nothing.
 * @throws KeepError invalid_record (422) when the new owner is neither a project nor a user, or nothing of it may be read,
 *   so that both look alike; forbidden (403)
 */
export async function requireOwnerWritable(db: D1Database, from: string, to: string, user: User): Promise<void> {
  if (to === from) return;
  const table = isUuid(to, INFIX.group) ? 'groups' : isUuid(to, INFIX.user) ? 'users' : null;
  const kind = table === 'groups' ? "group_class = 'project' AND NOT " : 'NOT ';
  const known =
    table !== null &&
    (await db
      .prepare(`SELECT 1 FROM ${table} WHERE uuid = ? AND ${kind}${insideTrashSql(table, quoted(to))}`)
      .bind(to)
      .first()) !== null;
  if (!known) throw unknownOwner();
  if (user.isAdmin) return;
  for (const owner of [from, to].filter((uuid) => uuid !== user.uuid)) {
    const row = await db.prepare(`SELECT ${passedOnSql(quoted(owner), user)} AS level`).first<{ level: number }>();
    if (owner === to && Number(row?.level) < LEVEL.read) throw unknownOwner();
    if (Number(row?.level) < LEVEL.write)
      throw new KeepError('forbidden', { message: 'Forbidden: you may not write to that owner' });
  }
}

function unknownOwner(): KeepError {
  return new KeepError('invalid_record', { message: 'owner_uuid is not a project or user of this cluster' });
}
