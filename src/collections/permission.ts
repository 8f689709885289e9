import type { User } from '../accounts/account.ts';
import { KeepError } from '../keep/errors.ts';
import { IS_TRASHED } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import { INFIX, isUuid } from '../records/ids.ts';

/** A user, the projects they own at any depth, and the uploader accounts they own with their projects. */
const OWNED = `WITH RECURSIVE owned(uuid) AS (
    SELECT ?
    UNION SELECT groups.uuid FROM groups JOIN owned ON groups.owner_uuid = owned.uuid WHERE NOT ${IS_TRASHED.replaceAll('trash_at', 'groups.trash_at')}
    UNION SELECT users.uuid FROM users JOIN owned ON users.owner_uuid = owned.uuid WHERE users.is_uploader = 1
  ) SELECT uuid FROM owned`;

/** Records that a user may see and change: those they own, directly or not; an admin all. */
export function ownedBy(user: User): Condition[] {
  return user.isAdmin ? [] : [{ sql: `owner_uuid IN (${OWNED})`, values: [user.uuid] }];
}

export const NOT_TRASHED: Condition = { sql: `NOT ${IS_TRASHED}`, values: [] };

/**
 * Checks that the user may create records in a project or a user's home.
 * @throws KeepError invalid_record (422) when it is neither or does not exist; forbidden (403) when it is another user's
 */
export async function requireOwnerWritable(db: D1Database, ownerUuid: string, user: User): Promise<void> {
  if (ownerUuid === user.uuid) return;
  const table = isUuid(ownerUuid, INFIX.group) ? 'groups' : isUuid(ownerUuid, INFIX.user) ? 'users' : null;
  const known =
    table === null ? null : await db.prepare(`SELECT uuid FROM ${table} WHERE uuid = ?`).bind(ownerUuid).first();
  if (known === null)
    throw new KeepError('invalid_record', { message: 'owner_uuid is not a project or user of this cluster' });
  if (user.isAdmin) return;
  const owned = await db.prepare(`SELECT 1 AS yes WHERE ? IN (${OWNED})`).bind(ownerUuid, user.uuid).first();
  if (owned === null) throw new KeepError('forbidden', { message: 'Forbidden: you may not write to that owner' });
}
