import type { Gauge } from '../../http/metrics.ts';
import type { QueueHandle, Queues } from '../../queues/queue-handles.ts';

/**
 * keepstore's gauges of both queues (keep-block-api.md 3.14), and how entries ended, which it only logs. A queue that
 * cannot answer is left out, and takes no other figure with it.
 */
export async function queueGauges(queues: Queues): Promise<Gauge[]> {
  const gauges = await Promise.all(
    (['pull', 'trash'] as const).map((kind) => gaugesOf(kind, queues[kind]).catch(() => [])),
  );
  return gauges.flat();
}

async function gaugesOf(kind: keyof Queues, queue: QueueHandle): Promise<Gauge[]> {
  const { pending, inProgress, totals } = await queue.status();
  const name = `arvados_keepstore_${kind}_queue`;
  return [
    { name: `${name}_pending_entries`, value: pending },
    { name: `${name}_inprogress_entries`, value: inProgress },
    ...totals.map(
      ({ result, reason, entries }): Gauge => ({
        name: `keep_edge_${kind}_queue_entries`,
        labels: { result, reason },
        value: entries,
        type: 'counter',
      }),
    ),
  ];
}
