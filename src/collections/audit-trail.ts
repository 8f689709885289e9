import type { Condition } from '../records/filters.ts';
import { INFIX } from '../records/ids.ts';

/** Events of the service's own that say who changed or shared a record. Clients may report others of these names. */
export const AUDIT_EVENTS: readonly string[] = [
  'create',
  'update',
  'trash',
  'untrash',
  'delete',
  'share',
  'unshare',
  'transfer',
];
/** Only who manages a record, and whom it is shared with, may know about these. */
export const SHARING_EVENTS = "('share', 'unshare')";

const STEP_ROWS = 500;

interface Pending {
  id: number;
  tail: string;
  object_uuid: string;
  object_owner_uuid: string | null;
  event_type: string;
  changed: string;
  portable_data_hash: string | null;
  user_uuid: string;
  at: string;
}

/**
 * Takes what triggers wrote into audit_pending to the log. What is taken twice is written once.
 * @param steps of 500 events; what is left is taken the next time
 */
export async function takeAudit(db: D1Database, logsDb: D1Database, clusterId: string, steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) {
    const { results } = await db.prepare(`SELECT * FROM audit_pending ORDER BY id LIMIT ${STEP_ROWS}`).all<Pending>();
    if (results.length === 0) return;
    await logsDb
      .prepare(
        `INSERT OR IGNORE INTO logs (uuid, owner_uuid, object_uuid, object_owner_uuid, event_type, properties, event_at, created_at, modified_at, modified_by_user_uuid, is_audit)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 6, value ->> 6, value ->> 1, 1 FROM json_each(?)`,
      )
      .bind(JSON.stringify(results.map((event) => rowOf(clusterId, event))))
      .run();
    await db
      .prepare('DELETE FROM audit_pending WHERE id IN (SELECT value FROM json_each(?))')
      .bind(JSON.stringify(results.map(({ id }) => id)))
      .run();
    if (results.length < STEP_ROWS) return;
  }
}

function rowOf(clusterId: string, event: Pending): (string | null)[] {
  const changed = event.changed.split(',').filter((name) => name !== '');
  const properties = {
    ...(event.event_type === 'update' ? { changed } : {}),
    ...(event.portable_data_hash === null ? {} : { portable_data_hash: event.portable_data_hash }),
  };
  const { tail, user_uuid, object_uuid, object_owner_uuid, event_type, at } = event;
  const uuid = `${clusterId}-${INFIX.log}-${tail}`;
  return [uuid, user_uuid, object_uuid, object_owner_uuid, event_type, JSON.stringify(properties), at];
}

/** A list that asks for such events only finds them by their own index, however many downloads there are. */
export function auditOnly(filters: unknown): Condition[] {
  const isAudit = (Array.isArray(filters) ? filters : []).some((filter) => {
    if (!Array.isArray(filter) || filter[0] !== 'event_type') return false;
    const types: unknown[] = [filter[2]].flat();
    return (
      (filter[1] === '=' || filter[1] === 'in') &&
      types.length > 0 &&
      types.every((type) => AUDIT_EVENTS.includes(String(type)))
    );
  });
  return isAudit ? [{ sql: 'logs.is_audit = 1', values: [] }] : [];
}
