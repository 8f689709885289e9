import type { QueueStatus, Replaced } from './work-queue.ts';

/** A work queue's methods, called on the Durable Object from other modules. */
export interface QueueHandle {
  /** @param requestId of the request that sent the list; '' for none */
  replace(body: ReadableStream<Uint8Array>, requestId: string): Promise<Replaced>;
  status(): Promise<QueueStatus>;
  wake(): Promise<void>;
}

export interface TrashQueueHandle extends QueueHandle {
  emptyTrash(): Promise<boolean>;
}

/** There is one queue of each kind for the whole service. */
export interface Queues {
  pull: QueueHandle;
  trash: TrashQueueHandle;
  /** Null without its binding: bad copies are not replaced then. */
  repair: QueueHandle | null;
}

/** Null without the Durable Objects' bindings. A stub is good until its first failure: each use gets a new one. */
export function createQueues(env: {
  PULL_QUEUE?: DurableObjectNamespace;
  TRASH_QUEUE?: DurableObjectNamespace;
  REPAIR_QUEUE?: DurableObjectNamespace;
}): Queues | null {
  const { PULL_QUEUE, TRASH_QUEUE, REPAIR_QUEUE } = env;
  if (PULL_QUEUE === undefined || TRASH_QUEUE === undefined) return null;
  return {
    get pull() {
      return PULL_QUEUE.getByName('pull') as unknown as QueueHandle;
    },
    get trash() {
      return TRASH_QUEUE.getByName('trash') as unknown as TrashQueueHandle;
    },
    get repair() {
      return (REPAIR_QUEUE?.getByName('repair') ?? null) as unknown as QueueHandle | null;
    },
  };
}
