import type { QueueHandle, Queues } from '../../queues/queue-handles.ts';
import { statusRecord } from '../../queues/status-record.ts';

/** `GET queues`: how pull, trash and repair go on. Null for one that is not bound. */
export async function queueStates(queues: Queues | null): Promise<Response> {
  const of = async (queue: QueueHandle | null) => (queue === null ? null : statusRecord(await queue.status()));
  const [pull, trash, repair] = await Promise.all([
    of(queues?.pull ?? null),
    of(queues?.trash ?? null),
    of(queues?.repair ?? null),
  ]);
  return Response.json({ pull, trash, repair });
}
