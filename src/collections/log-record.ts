import type { User } from '../accounts/account.ts';
import { LEVEL } from '../accounts/levels.ts';
import { levelFor } from '../accounts/permission-sql.ts';
import { type Row, toRecord } from '../records/columns.ts';
import type { Condition } from '../records/filters.ts';
import { insertStatement } from '../records/write-row.ts';
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
  return { kind: LOGS.kind, id: meta.last_row_id, ...toRecord(LOGS, row) };
}

/** The events that a user may see: those they reported, and those of records that they may read. */
export function readableLogs(user: User): Condition[] {
  if (user.isAdmin) return [];
  const readable = (['collections', 'groups'] as const).map(
    (table) =>
      `EXISTS (SELECT 1 FROM ${table} WHERE ${table}.uuid = logs.object_uuid AND ${levelFor(table, user)} >= ${LEVEL.read})`,
  );
  return [{ sql: ['logs.owner_uuid = ?', ...readable].join(' OR '), values: [user.uuid] }];
}

/**
 * readableLogs for a log in a database of its own: the events that the user reported, and those of the objects asked for
 * that the user may read.
 * @param db holds the records
 */
export async function readableLogsApart(db: D1Database, user: User, objects: string[]): Promise<Condition[]> {
  if (user.isAdmin) return [];
  const asked = JSON.stringify(objects);
  const readable = (['collections', 'groups'] as const).map(
    (table) =>
      `SELECT uuid FROM ${table} WHERE uuid IN (SELECT value FROM json_each(?1)) AND ${levelFor(table, user)} >= ${LEVEL.read}`,
  );
  const { results } = await db.prepare(readable.join(' UNION ALL ')).bind(asked).all<{ uuid: string }>();
  return [
    {
      sql: 'logs.owner_uuid = ? OR logs.object_uuid IN (SELECT value FROM json_each(?))',
      values: [user.uuid, JSON.stringify(results.map(({ uuid }) => uuid))],
    },
  ];
}
