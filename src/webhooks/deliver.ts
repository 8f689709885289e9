import { count } from '../http/metrics.ts';
import type { Delivery, DeliveryRows } from './delivery-rows.ts';
import { type Happening, type Subject, type Webhook, wants, webhookBody, webhookSignature } from './webhook.ts';

export interface DeliverContext {
  rows: DeliveryRows;
  webhooks: readonly Webhook[];
  secret: string;
  db: D1Database;
  /** @returns whether the receiver took it */
  send(url: string, body: string, secret: string, now: number): Promise<boolean>;
  now(): number;
  /** Unix milliseconds at which nothing new is begun. */
  until: number;
}

/** Pauses double from the first to the longest; after LIFETIME_MS a delivery is dropped. */
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 3_600_000;
const LIFETIME_MS = 24 * 3_600_000;
/** At a time to one receiver: a slow one keeps no other waiting. */
const AT_A_TIME = 4;
const EVENTS_PER_STEP = 100;
const TIMEOUT_MS = 10_000;

/**
 * Sorts what happened by receivers, and sends what is due.
 * @returns when to come again, in Unix milliseconds; null when nothing waits
 */
export async function deliverDue(context: DeliverContext): Promise<number | null> {
  const { rows, webhooks, now } = context;
  const urls = [...new Set(webhooks.map(({ url }) => url))];
  dropped('receiver', rows.removeOthers(urls));
  let step: Step = 'more';
  while (step === 'more') step = await sortEvents(context);
  // What was sorted before goes out even while the database does not answer.
  await Promise.all(urls.map((url) => sendDue(url, context)));
  const next = rows.nextDue(urls);
  if (rows.events(1).length === 0) return next;
  return Math.min(now() + (step === 'stuck' ? FIRST_PAUSE_MS : 0), next ?? Number.POSITIVE_INFINITY);
}

/** stuck: the database does not answer. */
type Step = 'more' | 'done' | 'stuck';

async function sortEvents({ rows, webhooks, db, now, until }: DeliverContext): Promise<Step> {
  const events = rows.events(EVENTS_PER_STEP);
  const last = events.at(-1);
  if (last === undefined || now() >= until) return 'done';
  const happenings = events.map(({ happening }) => happening);
  const subjects = await subjectsOf(happenings, webhooks, db).catch(() => null);
  if (subjects === null) return 'stuck';
  const deliveries = happenings.flatMap((happening) => {
    const subject = subjects.get(happening.uuid) ?? UNKNOWN;
    const receivers = new Set(webhooks.filter((webhook) => wants(webhook, happening, subject)).map(({ url }) => url));
    return [...receivers].map((url) => ({ url, body: webhookBody(crypto.randomUUID(), happening, subject) }));
  });
  dropped('full', rows.sort(last.id, deliveries, now()));
  return 'more';
}

const UNKNOWN: Subject = { ownerUuid: null, portableDataHash: null, within: new Set() };

/** Two statements, whatever the number of events. */
async function subjectsOf(
  happenings: readonly Happening[],
  webhooks: readonly Webhook[],
  db: D1Database,
): Promise<Map<string, Subject>> {
  const uuids = JSON.stringify([...new Set(happenings.map(({ uuid }) => uuid))]);
  const filters = JSON.stringify(webhooks.flatMap(({ owner }) => owner ?? []));
  const { results } = await db
    .prepare(
      `SELECT uuid, owner_uuid, portable_data_hash FROM collections WHERE uuid IN (SELECT value FROM json_each(?1))
       UNION ALL SELECT uuid, owner_uuid, NULL FROM groups WHERE uuid IN (SELECT value FROM json_each(?1))`,
    )
    .bind(uuids)
    .all<{ uuid: string; owner_uuid: string; portable_data_hash: string | null }>();
  const owners = JSON.stringify([...new Set(results.map(({ owner_uuid }) => owner_uuid))]);
  const { results: above } = await db
    .prepare(
      `SELECT uuid, ancestor FROM ancestors WHERE uuid IN (SELECT value FROM json_each(?1))
       AND ancestor IN (SELECT value FROM json_each(?2))`,
    )
    .bind(owners, filters)
    .all<{ uuid: string; ancestor: string }>();
  return new Map(
    results.map(({ uuid, owner_uuid, portable_data_hash }) => {
      const ancestors = above.flatMap((row) => (row.uuid === owner_uuid ? row.ancestor : []));
      const within = new Set([owner_uuid, ...ancestors]);
      return [uuid, { ownerUuid: owner_uuid, portableDataHash: portable_data_hash, within }];
    }),
  );
}

async function sendDue(url: string, context: DeliverContext): Promise<void> {
  const { rows, now, until } = context;
  while (now() < until) {
    const due = rows.due(url, now(), AT_A_TIME);
    if (due.length === 0) return;
    await Promise.all(due.map((delivery) => sendOne(delivery, context)));
  }
}

async function sendOne({ id, url, body, queuedAt, tries }: Delivery, context: DeliverContext): Promise<void> {
  const { rows, secret, send, now } = context;
  const isTaken = await send(url, body, secret, now());
  count('keep_edge_webhook_requests_total', { outcome: isTaken ? 'ok' : 'failed' });
  if (isTaken) return rows.remove(id);
  const dueAt = now() + Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS);
  if (dueAt - queuedAt < LIFETIME_MS) return rows.later(id, dueAt);
  rows.remove(id);
  dropped('refused', 1);
}

/** Nothing of the answer is read beyond its status, and no redirect is followed. */
export async function sendWebhook(url: string, body: string, secret: string, now: number): Promise<boolean> {
  const timestamp = String(Math.floor(now / 1000));
  const headers = {
    'Content-Type': 'application/json',
    'Keep-Edge-Timestamp': timestamp,
    'Keep-Edge-Signature': `sha256=${await webhookSignature(secret, timestamp, body)}`,
  };
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function dropped(reason: string, by: number): void {
  if (by > 0) count('keep_edge_webhook_dropped_total', { reason }, by);
}
