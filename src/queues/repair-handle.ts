import { waitUntil } from 'cloudflare:workers';
import { createBoundedMap } from '../keep/bounded-map.ts';
import { currentRequestId } from '../keep/request-id.ts';
import type { Mount } from '../storage/mounts.ts';
import type { RepairItem } from './repair.ts';

export interface RepairQueueHandle {
  /** @param requestId of the read that met the copy */
  add(item: RepairItem, requestId: string): Promise<boolean>;
}

/** A copy that is met again and again is reported once in this time. */
const SILENCE_MS = 600_000;

/** Enters a bad copy into the queue of repairs, without being waited for. Nothing without the Durable Object's binding. */
export function createRepairs(namespace: DurableObjectNamespace | undefined): (hash: string, mount: Mount) => void {
  const entered = createBoundedMap<true>({ maxEntries: 1000, maxBytes: 512 * 1024, sizeOf: () => 0 });
  return (hash, { uuid, allowWrite }) => {
    const key = `${hash} ${uuid}`;
    if (namespace === undefined || !allowWrite || entered.get(key) === true) return;
    entered.set(key, true, Date.now() + SILENCE_MS);
    const queue = namespace.getByName('repair') as unknown as RepairQueueHandle;
    waitUntil(queue.add({ hash, mountUuid: uuid }, currentRequestId()).catch(() => entered.delete(key)));
  };
}
