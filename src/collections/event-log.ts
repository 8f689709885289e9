import type { Row } from '../records/columns.ts';
import { createUuid, INFIX } from '../records/ids.ts';
import { createRowQueue } from '../records/row-queue.ts';
import { formatTime } from '../records/times.ts';

/** An event as POST /arvados/v1/logs takes it. */
export interface LoggedEvent {
  event_type: string | null;
  object_uuid: string | null;
  summary?: string | null;
  properties: Record<string, unknown>;
  /** In the stored form; now unless given. */
  event_at?: string | null;
  /** An event of the service's own that says who changed or shared something. */
  isAudit?: boolean;
}

/** @param now Unix milliseconds */
export function eventRow(clusterId: string, userUuid: string, event: LoggedEvent, now: number): Row {
  const time = formatTime(now);
  return {
    uuid: createUuid(clusterId, INFIX.log),
    owner_uuid: userUuid,
    object_uuid: event.object_uuid,
    object_owner_uuid: null,
    event_type: event.event_type,
    summary: event.summary ?? null,
    properties: JSON.stringify(event.properties),
    event_at: event.event_at ?? time,
    created_at: time,
    modified_at: time,
    modified_by_user_uuid: userUuid,
    is_audit: event.isAudit === true ? 1 : 0,
  };
}

export interface EventLog {
  /** Queues an event of the service's own and returns at once. @param now Unix milliseconds */
  record(userUuid: string, event: LoggedEvent, now: number, waitUntil: (work: Promise<unknown>) => void): void;
}

/** The methods used of a D1Database. */
export interface EventDatabase {
  prepare(sql: string): { bind(...values: unknown[]): { run(): Promise<unknown> } };
}

const EVENTS_PER_STATEMENT = 500;
/** Events that wait while the database fails, some MB. */
const MAX_WAITING = 5000;

/**
 * The log on D1 for events that no request waits for: many rows by one statement.
 * @param onDropped called for each event that is given up because the database has failed for long
 */
export function createEventLog(
  db: EventDatabase,
  clusterId: string,
  onDropped: () => void,
  sleep: (milliseconds: number) => Promise<void>,
): EventLog {
  const queue = createRowQueue<Row>({
    write(rows) {
      const names = Object.keys(rows[0] ?? {});
      const values = names.map((_, i) => `value ->> ${i}`).join(', ');
      return db
        .prepare(`INSERT INTO logs (${names.join(', ')}) SELECT ${values} FROM json_each(?)`)
        .bind(JSON.stringify(rows.map((row) => Object.values(row))))
        .run();
    },
    rowsPerWrite: EVENTS_PER_STATEMENT,
    maxWaiting: MAX_WAITING,
    onDropped,
    sleep,
  });
  return {
    record: (userUuid, event, now, waitUntil) => queue.add(eventRow(clusterId, userUuid, event, now), waitUntil),
  };
}
