import { ANONYMOUS_TAIL, EVERYONE_TAIL, INFIX, isUuid } from '../records/ids.ts';
import { type Look, lookAt } from '../records/look.ts';
import type { Membership } from './account.ts';
import { LEVEL } from './levels.ts';

/** Statements name each role: more of them would not fit into one. Those with the highest level stay. */
export const MAX_ROLES = 100;
/** Ways to roles that are followed: there may be several to one role. */
const MAX_STEPS = 4 * MAX_ROLES;

/**
 * SQL of a user's roles for `parseRoles`, for a row of `users`: the user, and each way to a role, the best ways first. Every person is in the role of all users
 * and in the public's; an uploader account, and who asks without a token, are not in the first one.
 */
export const ROLES_SQL = `(WITH RECURSIVE member(uuid, level) AS (
      SELECT users.uuid, ${LEVEL.manage}
      UNION ALL SELECT substr(users.uuid, 1, 6) || 'j7d0g-${EVERYONE_TAIL}', ${LEVEL.write} WHERE users.is_uploader = 0 AND users.uuid NOT LIKE '%-tpzed-${ANONYMOUS_TAIL}'
      UNION ALL SELECT substr(users.uuid, 1, 6) || 'j7d0g-${ANONYMOUS_TAIL}', ${LEVEL.read} WHERE users.is_uploader = 0
      UNION SELECT links.head_uuid, min(member.level, links.level) FROM member CROSS JOIN links INDEXED BY links_membership
        ON links.tail_uuid = member.uuid AND links.link_class = 'permission' AND links.head_class = 'role'
      ORDER BY 2 DESC, 1 LIMIT ${MAX_STEPS}
    ) SELECT json_group_array(json_array(uuid, level)) FROM member)`;

/** What ROLES_SQL gave. */
export function parseRoles(json: unknown): Membership[] {
  const ways = JSON.parse(String(json ?? '[]')) as [string, number][];
  const best = new Map<string, number>();
  for (const [uuid, level] of ways) if (isUuid(uuid, INFIX.group) && !best.has(uuid)) best.set(uuid, level);
  return [...best].slice(0, MAX_ROLES).map(([uuid, level]) => ({ uuid, level }));
}

/** The roles of a user as they are now, past everything that is cached. */
export function rolesLook(db: D1Database, userUuid: string): Look<Membership[]> {
  return {
    statements: [db.prepare(`SELECT ${ROLES_SQL} AS roles FROM users WHERE uuid = ?`).bind(userUuid)],
    found: ([rows]) => parseRoles(rows?.[0]?.roles),
  };
}

export function rolesOf(db: D1Database, userUuid: string): Promise<Membership[]> {
  return lookAt(db, rolesLook(db, userUuid));
}
