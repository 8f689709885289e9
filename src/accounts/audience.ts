import { ANONYMOUS_TAIL, EVERYONE_TAIL, INFIX, isUuid } from '../records/ids.ts';

/** Who would see something that is shared with a user or role. */
export interface Audience {
  /** Active people, the user or the members of the role at any depth; null for everyone with or without an account. */
  people: number | null;
}

const MEMBERS = `WITH RECURSIVE member(uuid) AS (
    SELECT ?
    UNION SELECT links.tail_uuid FROM member CROSS JOIN links INDEXED BY links_head ON links.head_uuid = member.uuid AND links.link_class = 'permission'
      WHERE substr(member.uuid, 7, 5) = '${INFIX.group}'
  )`;

/** Counts the people that a permission for this tail reaches. Users that are not active see nothing. */
export async function audienceOf(db: D1Database, tail: string): Promise<Audience> {
  if (tail.endsWith(`-${INFIX.group}-${ANONYMOUS_TAIL}`)) return { people: null };
  const active = `is_active = 1 AND is_uploader = 0 AND uuid NOT LIKE '%-${INFIX.user}-${ANONYMOUS_TAIL}'`;
  if (!isUuid(tail)) return { people: 0 };
  // A role that all users are in has all of them.
  const row = await db
    .prepare(
      `${MEMBERS} SELECT count(*) AS people FROM users WHERE ${active}
       AND (uuid IN (SELECT uuid FROM member) OR EXISTS (SELECT 1 FROM member WHERE uuid LIKE '%-${INFIX.group}-${EVERYONE_TAIL}'))`,
    )
    .bind(tail)
    .first<{ people: number }>();
  return { people: row?.people ?? 0 };
}
