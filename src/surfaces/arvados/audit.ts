import { recordEvent } from '../../collections/log-record.ts';
import type { ApiCall, EmbeddedApi } from './call.ts';

/**
 * Writes to the log who changed or shared a record, once the answer is on its way.
 * @param properties never a secret
 */
export function logChange(
  { context, user }: ApiCall,
  { logsDb, facts }: EmbeddedApi,
  event_type: string,
  object_uuid: string,
  properties: Record<string, unknown> = {},
): void {
  const event = { event_type, object_uuid, properties, isAudit: true };
  context.waitUntil(recordEvent(logsDb, facts.clusterId, user.uuid, event, Date.now()));
}

/** Tells receivers of webhooks that a record was shared. */
export function tellShare({ user }: ApiCall, { webhooks }: EmbeddedApi, uuid: string): void {
  webhooks.tell([{ event: 'share', uuid, user: user.uuid }]);
}
