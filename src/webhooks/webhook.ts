/** What receivers can be told of. */
export const WEBHOOK_EVENTS = ['commit', 'share', 'lost'] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** A receiver. */
export interface Webhook {
  url: string;
  events: readonly WebhookEvent[];
  /** UUID of a project or user: only what is in it, at any depth. Null: everything. */
  owner: string | null;
}

export interface Happening {
  event: WebhookEvent;
  /** The collection, or what was shared. */
  uuid: string;
  /** UUID of who did it; null for the balancer. */
  user: string | null;
  /** ISO 8601. */
  time: string;
  /** Id of the request that did it; none for the balancer. */
  requestId?: string;
  /** Lost blocks of the collection, as hash+size. */
  blocks?: string[];
}

/** What D1 knows of the record when the event is sorted. */
export interface Subject {
  ownerUuid: string | null;
  portableDataHash: string | null;
  /** Those projects and users of the receivers' filters that the record is in. */
  within: ReadonlySet<string>;
}

export function wants({ events, owner }: Webhook, { event, uuid }: Happening, { within }: Subject): boolean {
  return events.includes(event) && (owner === null || owner === uuid || within.has(owner));
}

/** The JSON that a receiver gets; `id` stays the same over repeats. */
export function webhookBody(
  id: string,
  { event, uuid, user, time, requestId = '', blocks }: Happening,
  { ownerUuid, portableDataHash }: Subject,
): string {
  return JSON.stringify({
    id,
    event,
    uuid,
    portable_data_hash: portableDataHash,
    owner_uuid: ownerUuid,
    user,
    time,
    request_id: requestId || null,
    ...(blocks === undefined ? {} : { blocks }),
  });
}

/** Lowercase hex HMAC-SHA256 over `timestamp.body`. @param timestamp Unix seconds */
export async function webhookSignature(secret: string, timestamp: string, body: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), algorithm, false, ['sign']);
  const mac = await crypto.subtle.sign('HMAC', key, encoder.encode(`${timestamp}.${body}`));
  return Array.from(new Uint8Array(mac), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
