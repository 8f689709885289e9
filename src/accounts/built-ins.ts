import { ANONYMOUS_TAIL, EVERYONE_TAIL, INFIX, systemUserUuid } from '../records/ids.ts';
import { formatTime } from '../records/times.ts';
import type { User } from './account.ts';
import { LEVEL } from './levels.ts';

/** The role of all active users. */
export function everyoneUuid(clusterId: string): string {
  return `${clusterId}-${INFIX.group}-${EVERYONE_TAIL}`;
}

/** The role of the public. What is shared with it can be read without a token. */
export function publicUuid(clusterId: string): string {
  return `${clusterId}-${INFIX.group}-${ANONYMOUS_TAIL}`;
}

/** Who asks without a token. */
export function anonymousUser(clusterId: string): User {
  return {
    uuid: `${clusterId}-${INFIX.user}-${ANONYMOUS_TAIL}`,
    isAdmin: false,
    isActive: true,
    username: 'anonymous',
    fullName: 'Anonymous',
    roles: [{ uuid: publicUuid(clusterId), level: LEVEL.read }],
  };
}

/** Writes the records that every cluster has, where they are missing. @param now Unix milliseconds */
export async function ensureBuiltIns(db: D1Database, clusterId: string, now: number): Promise<void> {
  const system = systemUserUuid(clusterId);
  const time = formatTime(now);
  const role = (uuid: string, name: string, description: string) =>
    db
      .prepare(
        `INSERT OR IGNORE INTO groups (uuid, owner_uuid, name, group_class, description, created_at, modified_at, modified_by_user_uuid)
         VALUES (?, ?, ?, 'role', ?, ?, ?, ?)`,
      )
      .bind(uuid, system, name, description, time, time, system);
  await db.batch([
    role(everyoneUuid(clusterId), 'All users', 'Everyone with an active account'),
    role(publicUuid(clusterId), 'Anonymous users', 'Everyone, with or without an account'),
    db
      .prepare(
        `INSERT OR IGNORE INTO users (uuid, owner_uuid, first_name, last_name, created_at, modified_at, modified_by_user_uuid)
         VALUES (?, ?, 'Anonymous', '', ?, ?, ?)`,
      )
      .bind(anonymousUser(clusterId).uuid, system, time, time, system),
  ]);
}
