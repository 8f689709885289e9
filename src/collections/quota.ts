import { KeepError } from '../keep/errors.ts';

/** The owner of a collection, that one's owner and so on up to the user. */
const ABOVE = `WITH RECURSIVE above(uuid) AS (
    SELECT ?1 UNION SELECT groups.owner_uuid FROM above JOIN groups ON groups.uuid = above.uuid)`;

/**
 * Checks that the projects and the user above a collection have room for more bytes. What they use is what the last
 * balancing run counted, and what commits added since.
 * @returns statements to run along with the commit: they count it
 * @throws KeepError full (507)
 */
export async function requireRoom(db: D1Database, ownerUuid: string, bytes: number): Promise<D1PreparedStatement[]> {
  if (bytes <= 0) return [];
  const { results } = await db
    .prepare(
      `${ABOVE} SELECT quotas.subject_uuid AS uuid, quotas.bytes AS quota, quotas.grown + coalesce(usage.bytes, 0) AS used
       FROM above JOIN quotas ON quotas.subject_uuid = above.uuid LEFT JOIN usage ON usage.subject_uuid = above.uuid`,
    )
    .bind(ownerUuid)
    .all<{ uuid: string; quota: number; used: number }>();
  const full = results.find(({ quota, used }) => used + bytes > quota);
  if (full !== undefined) {
    throw new KeepError('full', {
      message: `the quota of ${full.uuid} is ${full.quota} bytes: ${full.used} are used, and this needs ${bytes} more. Delete something, or ask an admin for more`,
    });
  }
  return results.map(({ uuid }) =>
    db.prepare('UPDATE quotas SET grown = grown + ? WHERE subject_uuid = ?').bind(bytes, uuid),
  );
}

/** Sets the most bytes of a user or project; null takes the limit away. */
export async function setQuota(db: D1Database, uuid: string, bytes: number | null): Promise<void> {
  const statement =
    bytes === null
      ? db.prepare('DELETE FROM quotas WHERE subject_uuid = ?').bind(uuid)
      : db
          .prepare(
            'INSERT INTO quotas (subject_uuid, bytes) VALUES (?, ?) ON CONFLICT (subject_uuid) DO UPDATE SET bytes = excluded.bytes',
          )
          .bind(uuid, bytes);
  await statement.run();
}
