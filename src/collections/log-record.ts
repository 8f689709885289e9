import type { User } from '../accounts/account.ts';
import { LEVEL } from '../accounts/levels.ts';
import { levelFor } from '../accounts/permission-sql.ts';
import { type Row, toRecord } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import { insertStatement } from '../records/write-row.ts';
import { SHARING_EVENTS } from './audit-trail.ts';
import { eventRow, type LoggedEvent } from './event-log.ts';
import { LOGS } from './tables.ts';

/** Writes an event into the log on D1. User and time come from the service, not from the client. @param now Unix milliseconds */
export async function recordEvent(
  db: D1Database,
  clusterId: string,
  userUuid: string,
  event: LoggedEvent,
  now: number,
): Promise<Row> {
  const row = eventRow(clusterId, userUuid, event, now);
  const { meta } = await insertStatement(db, 'logs', row).run();
  const { is_audit: _, ...shown } = row;
  return { kind: LOGS.kind, id: meta.last_row_id, ...toRecord(LOGS, shown) };
}

/**
 * SQL of the level on its object that an event takes: as with links, only who manages a record, and whom it is shared with,
 * sees with whom it is shared. One value, the user's UUID.
 */
const NEEDED = `CASE WHEN logs.event_type IN ${SHARING_EVENTS} AND logs.properties ->> '$.tail_uuid' IS NOT ? THEN ${LEVEL.manage} ELSE ${LEVEL.read} END`;
const TABLES = ['collections', 'groups'] as const;

/** The events that a user may see: those they reported, those about themselves, and those of records that they may read. */
export function readableLogs(user: User): Condition[] {
  if (user.isAdmin) return [];
  const readable = TABLES.map(
    (table) =>
      `EXISTS (SELECT 1 FROM ${table} WHERE ${table}.uuid = logs.object_uuid AND ${levelFor(table, user)} >= ${NEEDED})`,
  );
  const { uuid } = user;
  return [
    {
      sql: ['logs.owner_uuid = ?', 'logs.object_uuid = ?', ...readable].join(' OR '),
      values: [uuid, uuid, uuid, uuid],
    },
  ];
}

/**
 * readableLogs for a log in a database of its own: the events that the user reported, and those of the objects asked for
 * that the user may read.
 * @param db holds the records
 */
export async function readableLogsApart(db: D1Database, user: User, objects: string[]): Promise<Condition[]> {
  if (user.isAdmin) return [];
  const asked = JSON.stringify(objects);
  const levels = TABLES.map(
    (table) =>
      `SELECT uuid, ${levelFor(table, user)} AS level FROM ${table} WHERE uuid IN (SELECT value FROM json_each(?1))`,
  );
  const { results } = await db.prepare(levels.join(' UNION ALL ')).bind(asked).all<{ uuid: string; level: number }>();
  const known = JSON.stringify(Object.fromEntries(results.map(({ uuid, level }) => [uuid, level])));
  const level = 'ifnull((SELECT value FROM json_each(?) WHERE key = logs.object_uuid), 0)';
  return [
    {
      sql: `logs.owner_uuid = ? OR logs.object_uuid = ? OR ${level} >= ${NEEDED}`,
      values: [user.uuid, user.uuid, known, user.uuid],
    },
  ];
}
