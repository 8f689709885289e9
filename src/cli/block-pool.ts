import { Worker } from 'node:worker_threads';
import type { BlockJob, BlockResult } from './block-jobs.ts';

/** Threads that read, write and hash blocks, and their buffers: no other memory holds data. */
export interface BlockPool {
  /** A buffer of at least `bufferBytes`, when one is free. */
  takeBuffer(): Promise<ArrayBuffer>;
  giveBuffer(buffer: ArrayBuffer): void;
  /** The job's buffer moves to the thread and comes back with the result. @throws what the file system says, for writes */
  run<Verb extends BlockJob['verb']>(job: BlockJob & { verb: Verb }): Promise<BlockResult & { verb: Verb }>;
  close(): Promise<void>;
}

interface Answer {
  result?: BlockResult;
  error?: Error;
}

interface Waiting {
  job: BlockJob;
  resolve: (result: never) => void;
  reject: (error: unknown) => void;
}

/** The worker beside this module, or beside the bundle that this module is in. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './block-worker.ts' : './block-worker.mjs', import.meta.url);

export function createBlockPool({
  threads,
  buffers,
  bufferBytes,
}: {
  threads: number;
  buffers: number;
  bufferBytes: number;
}): BlockPool {
  const idle: Worker[] = [];
  const busy = new Map<Worker, Waiting>();
  const queue: Waiting[] = [];
  const spare: ArrayBuffer[] = [];
  const hungry: ((buffer: ArrayBuffer) => void)[] = [];
  let made = 0;
  let closed = false;

  const settle = (worker: Worker, finish: (waiting: Waiting) => void) => {
    const waiting = busy.get(worker);
    busy.delete(worker);
    if (waiting !== undefined) finish(waiting);
  };
  const start = (): Worker => {
    const worker = new Worker(WORKER);
    worker.unref();
    worker.on('message', ({ result, error }: Answer) => {
      settle(worker, ({ resolve, reject }) => (error === undefined ? resolve(result as never) : reject(error)));
      idle.push(worker);
      next();
    });
    worker.on('error', (error) => settle(worker, ({ reject }) => reject(error)));
    worker.on('exit', () => settle(worker, ({ reject }) => reject(new Error('a block worker ended'))));
    return worker;
  };
  const next = () => {
    if (closed || queue.length === 0) return;
    const worker = idle.pop() ?? (busy.size < threads ? start() : null);
    const waiting = worker === null ? undefined : queue.shift();
    if (worker === null || waiting === undefined) return;
    busy.set(worker, waiting);
    worker.ref();
    worker.postMessage(waiting.job, [waiting.job.buffer]);
  };

  // Started early: it takes as long as the arrival of a small block.
  idle.push(start());

  return {
    takeBuffer() {
      const buffer = spare.pop();
      if (buffer !== undefined) return Promise.resolve(buffer);
      if (made < buffers) {
        made++;
        return Promise.resolve(new ArrayBuffer(bufferBytes));
      }
      return new Promise((resolve) => hungry.push(resolve));
    },
    giveBuffer(buffer) {
      const taker = hungry.shift();
      if (taker === undefined) spare.push(buffer);
      else taker(buffer);
    },
    run(job) {
      return new Promise((resolve, reject) => {
        queue.push({ job, resolve: resolve as Waiting['resolve'], reject });
        next();
      });
    },
    async close() {
      closed = true;
      for (const { reject } of queue.splice(0)) reject(new Error('closed'));
      await Promise.all([...idle, ...busy.keys()].map((worker) => worker.terminate()));
    },
  };
}
