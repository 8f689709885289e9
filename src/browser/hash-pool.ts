/** Workers that hash blocks beside the page. */
export interface HashPool {
  /** Hex MD5 of a block. */
  hash(block: Blob): Promise<string>;
  end(): void;
}

interface Job {
  resolve: (hash: string) => void;
  reject: (error: Error) => void;
}

export function createHashPool(workers: number): HashPool {
  const jobs = new Map<number, Job>();
  let last = 0;
  const pool = Array.from({ length: workers }, () => {
    const worker = new Worker('/.keep-edge/assets/hash-worker.js', { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<{ id: number; hash?: string; problem?: string }>) => {
      const job = jobs.get(data.id);
      jobs.delete(data.id);
      if (data.hash !== undefined) job?.resolve(data.hash);
      else job?.reject(new Error(`a file cannot be read: ${data.problem}`));
    };
    worker.onerror = () => {
      for (const { reject } of jobs.values()) reject(new Error('the hashing worker could not be started'));
      jobs.clear();
    };
    return worker;
  });
  return {
    end: () => {
      for (const worker of pool) worker.terminate();
    },
    hash: (block) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        jobs.set(id, { resolve, reject });
        pool[id % pool.length]?.postMessage({ id, block });
      }),
  };
}
