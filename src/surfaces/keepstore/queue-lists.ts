import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { QueueHandle, Queues } from '../../queues/queue-handles.ts';
import { statusRecord } from '../../queues/status-record.ts';
import { requireRoot } from './lifecycle.ts';

/** Lists that a balancer sends. */
type ListKind = 'pull' | 'trash';

export interface QueueListDependencies {
  config: { systemRootToken: string };
  /** Null: no Durable Objects are bound. */
  queues: Queues | null;
}

/** `PUT /pull` and `PUT /trash` (docs/protocol/blocks.md#lists): answered once the list is stored, before it is worked on. */
export async function replaceList(
  kind: ListKind,
  context: RequestContext,
  { config, queues }: QueueListDependencies,
): Promise<Response> {
  requireRoot(context, config);
  const body = context.request.body ?? new Blob([]).stream();
  const replaced = await queueOf(queues, kind).replace(body, context.requestId);
  if (!replaced.ok) throw new KeepError('invalid_list', { message: replaced.message });
  context.log.entries = replaced.entries;
  return new Response(null);
}

/** `GET /pull` and `GET /trash`, which a keepstore does not have: the progress of the list, for people. */
export async function listStatus(
  kind: ListKind,
  context: RequestContext,
  { config, queues }: QueueListDependencies,
): Promise<Response> {
  requireRoot(context, config);
  const body = statusRecord(await queueOf(queues, kind).status());
  return new Response(`${JSON.stringify(body, null, 2)}\n`, { headers: { 'Content-Type': 'application/json' } });
}

function queueOf(queues: Queues | null, kind: ListKind): QueueHandle {
  if (queues === null) {
    throw new KeepError('not_configured', {
      message: 'work lists need the Durable Objects PULL_QUEUE and TRASH_QUEUE: bind them in wrangler.toml',
    });
  }
  return queues[kind];
}
