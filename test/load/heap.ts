import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** What one isolate holds, in MiB: its JavaScript heap, and what its buffers hold outside of that. */
export interface HeapUsage {
  heap: number;
  external: number;
}

export interface Heap {
  /** After a full collection: what is still in use. */
  usage(): Promise<HeapUsage>;
  close(): void;
}

const MIB = 1 << 20;
const COLLECTION_MS = 300;

/** The isolates in one runtime process: the Worker itself, and what simulates its bindings on this machine. */
export const ISOLATES = {
  worker: 'core:user:keep-edge',
  r2: 'r2:bucket',
  r2Entry: 'r2:bucket:entry',
  d1: 'd1:db',
  d1Entry: 'd1:db:entry',
  cache: 'cache:cache',
  cacheEntry: 'cache:0',
} as const;

/** The heap of one isolate, apart from those of the others in its process. */
export async function openHeap(inspectorUrl: string, isolate: keyof typeof ISOLATES): Promise<Heap> {
  const socket = new WebSocket(new URL(`/${ISOLATES[isolate]}`, inspectorUrl).href);
  const pending = new Map<number, (result: Record<string, number>) => void>();
  let lastId = 0;
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: Record<string, number> };
    if (id === undefined) return;
    pending.get(id)?.(result ?? {});
    pending.delete(id);
  });
  await once(socket, 'open');
  const ask = (method: string) =>
    new Promise<Record<string, number>>((resolve) => {
      pending.set(++lastId, resolve);
      socket.send(JSON.stringify({ id: lastId, method }));
    });
  return {
    async usage() {
      // The runtime answers the first only with the next, and may do them in another order.
      void ask('HeapProfiler.collectGarbage');
      await sleep(COLLECTION_MS);
      const { usedSize = 0, embedderHeapUsedSize = 0, backingStorageSize = 0 } = await ask('Runtime.getHeapUsage');
      return { heap: usedSize / MIB, external: (embedderHeapUsedSize + backingStorageSize) / MIB };
    },
    close: () => socket.close(),
  };
}
