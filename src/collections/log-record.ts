import type { Row } from '../records/columns.ts';
import { createUuid, INFIX } from '../records/ids.ts';
import { formatTime } from '../records/times.ts';
import { insertRow } from '../records/write.ts';

/** What happened, as POST /arvados/v1/logs would record it (keep-web.md 8.5). */
export interface LoggedEvent {
  event_type: string;
  object_uuid: string;
  properties: Record<string, unknown>;
}

/** Writes an event of the service's own into the cluster's log, on D1. @param now Unix milliseconds */
export async function recordEvent(
  db: D1Database,
  clusterId: string,
  userUuid: string,
  event: LoggedEvent,
  now: number,
): Promise<void> {
  const time = formatTime(now);
  const row: Row = {
    uuid: createUuid(clusterId, INFIX.log),
    owner_uuid: userUuid,
    object_uuid: event.object_uuid,
    object_owner_uuid: null,
    event_type: event.event_type,
    summary: null,
    properties: JSON.stringify(event.properties),
    event_at: time,
    created_at: time,
    modified_at: time,
    modified_by_user_uuid: userUuid,
  };
  await insertRow(db, 'logs', row);
}
