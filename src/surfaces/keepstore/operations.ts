import type { RequestContext } from '../../http/context.ts';
import type { GatheredFigures } from '../../http/gathered-figures.ts';
import { type Gauge, renderMetrics } from '../../http/metrics.ts';
import { KeepError } from '../../keep/errors.ts';
import { isToken } from '../../keep/token.ts';
import { VERSION } from '../../keep/version.ts';
import type { QueueHandle, Queues } from '../../queues/queue-handles.ts';

export interface OperationsDependencies {
  config: { managementToken: string | null };
  /** Durable figures, read at the time of asking. */
  gauges: () => Promise<Gauge[]>;
  /** Null: only what this isolate counted is known. */
  figures: GatheredFigures | null;
}

/** Accepts the exact form `Authorization: Bearer <management token>` only, as in Arvados. */
export function ping({ request, method }: RequestContext, { config }: OperationsDependencies): Response {
  const headers = { Allow: 'GET, OPTIONS' };
  if (method === 'OPTIONS') return new Response(null, { headers });
  if (method !== 'GET') throw new KeepError('method_not_allowed', { headers });
  const header = request.headers.get('Authorization');
  if (config.managementToken === null)
    throw new KeepError('not_found', { message: 'disabled: MANAGEMENT_TOKEN is not set' });
  if (header === null) throw new KeepError('unauthorized', { message: 'authorization required' });
  if (!isToken(header, `Bearer ${config.managementToken}`))
    throw new KeepError('forbidden', { message: 'authorization error' });
  return new Response(`${JSON.stringify({ health: 'OK', version: VERSION })}\n`, {
    headers: { 'Content-Type': 'application/json' },
  });
}

/** Prometheus text. Closed, not open, when there is no management token. */
export async function metrics(
  { tokens }: RequestContext,
  { config, gauges, figures }: OperationsDependencies,
): Promise<Response> {
  const { managementToken } = config;
  if (tokens.length === 0) throw new KeepError('unauthorized');
  if (managementToken === null || !tokens.some((token) => isToken(token, managementToken)))
    throw new KeepError('forbidden');
  const [now, gathered] = await Promise.all([gauges(), figures?.read()]);
  return new Response(renderMetrics(now, gathered), { headers: { 'Content-Type': 'text/plain; version=0.0.4' } });
}

/**
 * keepstore's gauges of both queues, and the outcomes of entries, which keepstore only logs. A queue that cannot answer
 * is left out; the other figures stay.
 */
export async function queueGauges(queues: Queues): Promise<Gauge[]> {
  const gauges = await Promise.all(
    (['pull', 'trash', 'repair'] as const).map((kind) => gaugesOf(kind, queues[kind]).catch(() => [])),
  );
  return gauges.flat();
}

async function gaugesOf(kind: keyof Queues, queue: QueueHandle | null): Promise<Gauge[]> {
  if (queue === null) return [];
  const { pending, inProgress, totals } = await queue.status();
  // A keepstore has the first two.
  const name = kind === 'repair' ? 'keep_edge_repair_queue' : `arvados_keepstore_${kind}_queue`;
  return [
    { name: `${name}_pending_entries`, help: `Entries of the ${kind} list that were not begun.`, value: pending },
    { name: `${name}_inprogress_entries`, help: `Entries of ${kind} lists that are worked on.`, value: inProgress },
    ...totals.map(
      ({ result, reason, entries }): Gauge => ({
        name: `keep_edge_${kind}_queue_entries_total`,
        help: `Entries of ${kind} lists by how they ended.`,
        labels: { result, reason },
        value: entries,
        type: 'counter',
      }),
    ),
  ];
}
