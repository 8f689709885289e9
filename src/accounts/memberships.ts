import { ANONYMOUS_TAIL, EVERYONE_TAIL } from '../records/ids.ts';
import type { Membership } from './account.ts';
import { LEVEL } from './levels.ts';

/** Statements name each role: more of them would not fit into one. Those with the highest level stay. */
export const MAX_ROLES = 100;

/**
 * SQL of a user's roles as a JSON array of [uuid, level], for a row of `users`. Every person is in the role of all users
 * and in the public's; an uploader account, and who asks without a token, are not in the first one.
 */
export const ROLES_SQL = `(WITH RECURSIVE member(uuid, level) AS (
      SELECT users.uuid, ${LEVEL.manage}
      UNION ALL SELECT substr(users.uuid, 1, 6) || 'j7d0g-${EVERYONE_TAIL}', ${LEVEL.write} WHERE users.is_uploader = 0 AND users.uuid NOT LIKE '%-tpzed-${ANONYMOUS_TAIL}'
      UNION ALL SELECT substr(users.uuid, 1, 6) || 'j7d0g-${ANONYMOUS_TAIL}', ${LEVEL.read} WHERE users.is_uploader = 0
      UNION SELECT links.head_uuid, min(member.level, links.level) FROM member CROSS JOIN links INDEXED BY links_membership
        ON links.tail_uuid = member.uuid AND links.link_class = 'permission' AND links.head_class = 'role'
    ) SELECT json_group_array(json_array(uuid, level)) FROM (
      SELECT uuid, max(level) AS level FROM member WHERE uuid <> users.uuid GROUP BY uuid ORDER BY level DESC, uuid LIMIT ${MAX_ROLES}))`;

/** What ROLES_SQL gave. */
export function parseRoles(json: unknown): Membership[] {
  const rows = JSON.parse(String(json ?? '[]')) as [string, number][];
  return rows.map(([uuid, level]) => ({ uuid, level }));
}

/** The roles of a user as they are now, past everything that is cached. */
export async function rolesOf(db: D1Database, userUuid: string): Promise<Membership[]> {
  const row = await db
    .prepare(`SELECT ${ROLES_SQL} AS roles FROM users WHERE uuid = ?`)
    .bind(userUuid)
    .first<{ roles: string }>();
  return parseRoles(row?.roles);
}
