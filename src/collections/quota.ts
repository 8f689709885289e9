import { KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import type { Look } from '../records/look.ts';

/** The most bytes that a user or project may have, and what is used: as the last balancing run counted, and commits since. */
export interface Quota {
  uuid: string;
  quota: number;
  used: number;
}

/** Of the owner of a collection, that one's owner and so on up to the user. @param owner SQL of the owner's UUID from `?1` */
const quotasAbove = (owner: string) => `WITH RECURSIVE above(uuid) AS (
    SELECT ${owner} UNION SELECT groups.owner_uuid FROM above JOIN groups ON groups.uuid = above.uuid)
  SELECT quotas.subject_uuid AS uuid, quotas.bytes AS quota, quotas.grown + coalesce(usage.bytes, 0) AS used
  FROM above JOIN quotas ON quotas.subject_uuid = above.uuid LEFT JOIN usage ON usage.subject_uuid = above.uuid`;

/** The quotas above a collection as it is now. */
export function quotasLook(db: D1Database, uuid: string): Look<Quota[]> {
  return {
    statements: [db.prepare(quotasAbove('(SELECT owner_uuid FROM collections WHERE uuid = ?1)')).bind(uuid)],
    found: ([rows = []]) => rows as unknown as Quota[],
  };
}

export async function quotasOf(db: D1Database, ownerUuid: string): Promise<Quota[]> {
  return (await db.prepare(quotasAbove('?1')).bind(ownerUuid).all<Quota & Row>()).results;
}

/**
 * Checks that there is room for more bytes.
 * @throws KeepError full (507)
 */
export function requireRoom(quotas: readonly Quota[], bytes: number): void {
  const full = quotas.find(({ quota, used }) => used + bytes > quota);
  if (full !== undefined) {
    throw new KeepError('full', {
      message: `the quota of ${full.uuid} is ${full.quota} bytes: ${full.used} are used, and this needs ${bytes} more. Delete something, or ask an admin for more`,
    });
  }
}

/** Statements that count more bytes, only while the collection is at `revision`. */
export function growthStatements(
  db: D1Database,
  quotas: readonly Quota[],
  bytes: number,
  uuid: string,
  revision: number,
): D1PreparedStatement[] {
  return quotas.map((quota) =>
    db
      .prepare(
        'UPDATE quotas SET grown = grown + ? WHERE subject_uuid = ? AND EXISTS (SELECT 1 FROM collections WHERE uuid = ? AND revision = ?)',
      )
      .bind(bytes, quota.uuid, uuid, revision),
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
