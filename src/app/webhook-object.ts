import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../config/env.ts';
import { count } from '../http/metrics.ts';
import { deliverDue, sendWebhook } from '../webhooks/deliver.ts';
import { createDeliveryRows } from '../webhooks/delivery-rows.ts';
import type { Happening } from '../webhooks/webhook.ts';
import type { WebhookQueueHandle } from '../webhooks/webhooks.ts';
import { dependenciesOf } from './composition.ts';
import { inSpan } from './spans.ts';

/** Events and deliveries that wait at most. */
const MAX_WAITING = 10_000;
/** An alarm begins no new request after this time. */
const ALARM_MS = 25_000;
const RETRY_MS = 60_000;

/** Events on their way to their receivers: one object, so that the queue is bounded as a whole. */
export class WebhookQueue extends DurableObject<Env> implements WebhookQueueHandle {
  readonly #rows = createDeliveryRows(this.ctx.storage, MAX_WAITING);

  async tell(happenings: Happening[]): Promise<void> {
    const dropped = this.#rows.addEvents(happenings);
    if (dropped > 0) count('keep_edge_webhook_dropped_total', { reason: 'full' }, dropped);
    await this.#wakeAt(Date.now());
  }

  async wake(): Promise<void> {
    if (this.#rows.waiting() > 0 && (await this.ctx.storage.getAlarm()) === null) await this.#wakeAt(Date.now());
  }

  override async alarm(): Promise<void> {
    const built = dependenciesOf(this.env);
    const { DB: db } = this.env;
    if (!built.ok || db === undefined) return this.#wakeAt(Date.now() + RETRY_MS);
    const { config, figures } = built.deps;
    const next = await deliverDue({
      rows: this.#rows,
      webhooks: config.webhooks,
      secret: config.webhookSecret ?? '',
      db,
      send: (...delivery) => inSpan('webhook delivery', {}, () => sendWebhook(...delivery)),
      now: Date.now,
      until: Date.now() + ALARM_MS,
    });
    if (next !== null) await this.#wakeAt(next);
    figures?.later();
  }

  async #wakeAt(at: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > at) await this.ctx.storage.setAlarm(at);
  }
}
