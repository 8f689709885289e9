import { count } from '../http/metrics.ts';
import { currentRequestId } from '../keep/request-id.ts';
import type { Happening, Webhook } from './webhook.ts';

/** The queue's methods, called on its Durable Object from elsewhere. */
export interface WebhookQueueHandle {
  tell(happenings: Happening[]): Promise<void>;
  wake(): Promise<void>;
}

export interface Webhooks {
  /** Hands events to the queue beside the request. What fails here is counted, and never the caller's failure. */
  tell(happenings: Omit<Happening, 'time'>[]): void;
  /** The cron's call: an alarm can be lost. */
  wake(): Promise<void>;
}

const NO_WEBHOOKS: Webhooks = { tell: () => undefined, wake: () => Promise.resolve() };

export function createWebhooks(
  namespace: DurableObjectNamespace | undefined,
  webhooks: readonly Webhook[],
  waitUntil: (work: Promise<unknown>) => void,
): Webhooks {
  if (namespace === undefined || webhooks.length === 0) return NO_WEBHOOKS;
  // A stub is good until its first failure: each use gets a new one.
  const queue = () => namespace.getByName('webhooks') as unknown as WebhookQueueHandle;
  const wanted = new Set(webhooks.flatMap(({ events }) => events));
  const hand = async (happenings: Happening[]) => {
    try {
      await queue().tell(happenings);
    } catch {
      count('keep_edge_webhook_dropped_total', { reason: 'queue' }, happenings.length);
    }
  };
  return {
    tell(happenings) {
      const time = new Date().toISOString();
      const told = happenings
        .filter(({ event }) => wanted.has(event))
        .map((happening) => ({ requestId: currentRequestId(), ...happening, time }));
      if (told.length > 0) waitUntil(hand(told));
    },
    wake: () => queue().wake(),
  };
}
